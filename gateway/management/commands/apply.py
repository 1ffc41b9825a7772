"""``tollgate apply FILE.yaml``: the file becomes rows."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import CommandError

from accounts.audit import audited
from accounts.operators import operator
from gateway.configuration.applying import apply
from gateway.configuration.changes import listing
from gateway.configuration.document import Unusable
from gateway.management.base import GatewayCommand

DIFFERENT = 2


class Command(GatewayCommand):
    help = "Make the configuration say what a YAML file says. Objects that the file does not name stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE.yaml", help="- reads standard input")
        parser.add_argument(
            "--dry-run", action="store_true", help="print the difference only: exit 0 none, 2 some, 1 error"
        )

    def handle(self, *args: object, **options: object) -> None:
        text, dry_run = _read(str(options["file"])), bool(options["dry_run"])
        try:
            with audited(operator("apply"), reason=f"file {options['file']}"):
                changes = apply(text, os.environ, dry_run=dry_run)
        except Unusable as error:
            raise CommandError(str(error)) from None
        if changes:
            self.stdout.write(listing(changes))
        if dry_run and changes:
            sys.exit(DIFFERENT)
        self.stdout.write(f"{_counted(changes)} applied." if changes else "Nothing to change.")


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file}: is not UTF-8 text") from None


def _counted(changes: list[object]) -> str:
    return "1 change" if len(changes) == 1 else f"{len(changes)} changes"
