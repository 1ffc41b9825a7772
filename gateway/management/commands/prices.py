"""``tollgate prices sync|import``: what others say things cost becomes new dated rows, and none is edited."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_date

from accounts import audit
from accounts.audit import audited
from accounts.operators import operator
from billing import litellm, pricelists, proposals, seeding
from billing.models import Price
from billing.proposals import Proposal, Stated, Window
from gateway.configuration import windows
from gateway.configuration.changes import listing
from gateway.management.base import GatewayCommand

DIFFERENT = 2
# whose rows a list may replace without being asked: an import is an admin's own act, the first prices are nobody's
REPLACED_BY_IMPORT = (litellm.NAME, *seeding.OWN)


class Command(GatewayCommand):
    help = (
        "Take over prices. A changed price becomes a new row from now on; rows made by an admin or a tollgate.yaml "
        "stay, and are named, unless --override."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        sync = verbs.add_parser("sync", help="show how genai-prices differs from the rows in force")
        sync.add_argument("--apply", "--yes", action="store_true", help="insert the rows")
        sync.add_argument("--fetch", action="store_true", help="get today's data from genai-prices' site first")
        imported = verbs.add_parser("import", help="take LiteLLM's model_prices_and_context_window.json")
        imported.add_argument("file", metavar="FILE", help="- reads standard input")
        imported.add_argument(
            "--dry-run", action="store_true", help="print only: exit 0 nothing to do, 2 some, 1 error"
        )
        imported.add_argument("--from", dest="since", metavar="DATE", help="since when models new to us cost this; now")
        imported.add_argument("--partly", action="store_true", help="take the tokens' prices of models with others too")
        for verb in (sync, imported):
            verb.add_argument("--provider", action="append", metavar="P", help="only this price book; may be repeated")
            verb.add_argument("--override", action="store_true", help="replace prices made by an admin or a file too")
            verb.add_argument("--free", action="store_true", help="believe prices of 0, and that a price became 0")
            verb.add_argument("--windows", action="store_true", help="fill in targets' empty context windows too")

    def handle(self, *args: Any, **options: Any) -> None:
        {"sync": self._sync, "import": self._import}[options["verb"]](options)

    def _sync(self, options: dict[str, Any]) -> None:
        source, known = seeding.SOURCE, seeding.providers
        if options["fetch"]:
            try:
                known = list(seeding.latest())
            except OSError as error:
                raise CommandError(str(error)) from error
            source = f"{seeding.OWN[0]} of {timezone.now():%Y-%m-%d}"
        stated = list(seeding.stated(timezone.now(), known))

        def window_of(book: str, model: str) -> Window | None:
            return seeding.window_of(book, model, known)

        if self._take(stated, window_of, source, seeding.OWN, options, not options["apply"]) and not options["apply"]:
            self.stdout.write("Nothing is changed yet: --apply inserts the rows.")

    def _import(self, options: dict[str, Any]) -> None:
        data = _read(options["file"])
        try:
            reading = litellm.read(data, _since(options["since"]), partly=options["partly"], free=options["free"])
        except litellm.Unusable as error:
            raise CommandError(f"{options['file']} is not imported, and nothing is changed:\n{error}") from None
        for line in litellm.notes(reading):
            self.stdout.write(line)

        def window_of(book: str, model: str) -> Window | None:
            return reading.windows.get((book, model.lower()))

        source, dry_run = litellm.source_of(data), options["dry_run"]
        if self._take(reading.stated, window_of, source, REPLACED_BY_IMPORT, options, dry_run) and dry_run:
            sys.exit(DIFFERENT)

    def _take(
        self,
        stated: list[Stated],
        window_of: Callable[[str, str], Window | None],
        source: str,
        own: tuple[str, ...],
        options: dict[str, Any],
        dry_run: bool,
    ) -> bool:
        """Print what the list changes, and unless it is a dry run change it; return whether there is anything."""
        if options["provider"]:
            stated = [price for price in stated if price.key.provider in options["provider"]]
        with transaction.atomic(), audited(operator(f"prices {options['verb']}"), reason=source):
            ours = pricelists.present({price.key.provider for price in stated})
            proposal = proposals.propose(
                stated, ours, timezone.now(), own, override=options["override"], free=options["free"]
            )
            filled = windows.fill(window_of, dry_run=dry_run) if options["windows"] else []
            if proposal.changes and not dry_run:
                pricelists.insert(proposal.changes, source)
                audit.record(Price(provider=source), "prices taken over", **_facts(proposal))
        for line in proposals.listing(proposal):
            self.stdout.write(line)
        if filled:
            self.stdout.write(listing(filled))
        self.stdout.write(proposals.summary(proposal) + ("" if dry_run or not proposal.changes else ", inserted"))
        return bool(proposal.changes or filled)


def _facts(proposal: Proposal) -> dict[str, Any]:
    models = sorted({"/".join(change.key.model) for change in proposal.changes})
    return {"summary": proposals.summary(proposal), "models": models[:100]}


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read(litellm.MOST_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


def _since(text: str | None) -> datetime:
    if text is None:
        return timezone.now()
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError("--from takes a day, such as 2026-11-01")
    return datetime.combine(day, time(), UTC)
