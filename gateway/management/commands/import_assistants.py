"""``tollgate import_assistants FILE…``: assistants, threads and messages from OpenAI become somebody's here."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts import audit
from accounts.models import Membership, Team, User
from accounts.operators import operator
from gateway.assistants import exported, importing
from gateway.assistants.importing import NotImportable, Owner
from gateway.configuration.changes import Change, listing
from gateway.litellm.leftovers import Leftovers
from gateway.management.base import GatewayCommand

DIFFERENT = 2


class Command(GatewayCommand):
    help = (
        "Take over assistants, threads and messages from OpenAI's Assistants API, in JSON or JSON lines as it gave "
        "them. They keep their ids. What cannot be carried over is listed by name."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", metavar="FILE", nargs="+", help="objects, lists or pages of them; - is standard input"
        )
        parser.add_argument("--user", metavar="EMAIL", help="whose they become")
        parser.add_argument("--team", metavar="T", help="in which team; without --user its service accounts'")
        parser.add_argument("--ids", metavar="FILE.csv", help="files and vector stores: their id there, their id here")
        parser.add_argument(
            "--dry-run", action="store_true", help="print the difference only: exit 0 none, 2 some, 1 error"
        )

    def handle(self, *args: object, **options: Any) -> None:
        owner = _owner(options["user"], options["team"])
        found = exported.read({name: _text(name) for name in options["files"]})
        try:
            with audit.audited(operator("import_assistants"), reason=f"file {', '.join(options['files'])}"):
                changes = importing.write(found, owner, _ids(options["ids"]), dry_run=options["dry_run"])
                if changes and not options["dry_run"]:
                    audit.record(owner.user or owner.team, "assistants imported", objects=len(changes))
        except NotImportable as error:
            raise CommandError(f"nothing is imported:\n{error}") from None
        self._tell(changes, found.leftovers, options["dry_run"])

    def _tell(self, changes: list[Change], leftovers: Leftovers, dry_run: bool) -> None:
        if changes:
            self.stdout.write(listing(changes))
        if leftovers:
            self.stdout.write(f"\nNot carried over, or other than there ({len(leftovers)}):")
            for leftover in leftovers:
                self.stdout.write(f"- {leftover}")
        if dry_run and changes:
            sys.exit(DIFFERENT)
        self.stdout.write(f"\n{len(changes)} changes applied." if changes else "\nNothing to change.")


def _owner(email: str | None, team_name: str | None) -> Owner:
    if not email and not team_name:
        raise CommandError("name --user EMAIL, or --team T, or both")
    user = User.objects.filter(email__iexact=email).first() if email else None
    team = Team.objects.filter(name=team_name).first() if team_name else None
    if email and user is None:
        raise CommandError(f"there is no user {email!r}: make it in the admin or with 'tollgate issue_key'")
    if team_name and team is None:
        raise CommandError(f"there is no team {team_name!r}: make it in the admin or with 'tollgate apply'")
    if user and team and not Membership.objects.filter(user=user, team=team).exists():
        raise CommandError(f"{user.email} is not in the team {team.name}")
    return Owner(user, team)


def _ids(file: str | None) -> dict[str, str]:
    if not file:
        return {}
    rows = [row for row in csv.reader(_text(file).splitlines()) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise CommandError(f"{file}, line {number}: wants two ids, the one there and the one here")
    return {there.strip(): here.strip() for there, here in rows}


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{name}: is not UTF-8 text") from None
