"""``tollgate import_litellm config.yaml``: a LiteLLM proxy's models and keys become ours."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import CommandError

from accounts.audit import audited
from accounts.operators import operator
from gateway.configuration.changes import listing
from gateway.configuration.document import Unusable
from gateway.litellm import importing, models, tables
from gateway.litellm.leftovers import Leftovers
from gateway.management.base import GatewayCommand

DIFFERENT = 2


class Command(GatewayCommand):
    help = (
        "Take over a LiteLLM proxy: the models, prices, fallbacks and retries of its config.yaml, and its keys, which "
        "go on working. What cannot be carried over is listed by name."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("config", metavar="config.yaml", nargs="?", help="what the proxy was started with")
        parser.add_argument("--keys", metavar="FILE.csv", help="its table LiteLLM_VerificationToken")
        parser.add_argument("--users", metavar="FILE.csv", help="its table LiteLLM_UserTable: whose the keys are")
        parser.add_argument("--teams", metavar="FILE.csv", help="its table LiteLLM_TeamTable")
        parser.add_argument(
            "--dry-run", action="store_true", help="print the difference only: exit 0 none, 2 some, 1 error"
        )

    def handle(self, *args: object, **options: Any) -> None:
        if not options["config"] and not options["keys"]:
            raise CommandError("name a config.yaml, or --keys FILE.csv, or both")
        try:
            config, leftovers = _config(options["config"])
            people = tables.read_people(_text(options["users"]), _text(options["teams"]), leftovers)
            keys = tables.read_keys(_text(options["keys"]), people, leftovers)
            with audited(operator("import_litellm"), reason=f"file {options['config'] or options['keys']}"):
                changes = importing.write(config, keys, people, os.environ, dry_run=options["dry_run"])
        except (Unusable, models.NotLiteLLM, tables.NotATable) as error:
            raise CommandError(str(error)) from None
        self._tell(changes, leftovers, options["dry_run"])

    def _tell(self, changes: list[Any], leftovers: Leftovers, dry_run: bool) -> None:
        if changes:
            self.stdout.write(listing(changes))
        if leftovers:
            self.stdout.write(f"\nNot carried over, or other than there ({len(leftovers)}):")
            for leftover in leftovers:
                self.stdout.write(f"- {leftover}")
        if dry_run and changes:
            sys.exit(DIFFERENT)
        self.stdout.write(f"\n{len(changes)} changes applied." if changes else "\nNothing to change.")


def _config(file: str | None) -> tuple[dict[str, Any], Leftovers]:
    if not file:
        return {}, Leftovers()
    try:
        config = yaml.safe_load(_text(file))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise CommandError(f"{file}{f', line {mark.line + 1}' if mark else ''}: is no YAML") from None
    carried = models.carried(config if isinstance(config, dict) else {})
    return carried.document, carried.leftovers


def _text(file: str | None) -> str:
    try:
        return Path(file).read_text(encoding="utf-8") if file else ""
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file}: is not UTF-8 text") from None
