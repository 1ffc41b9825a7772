"""``tollgate bills import``: a provider's usage or cost export, set beside the ledger."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import CommandError

from accounts.audit import audited
from accounts.operators import operator
from billing import comparing
from billing.bills import reading
from billing.bills.comparison import Row, total
from billing.bills.lines import BillUnreadable
from billing.models import Bill
from gateway import figures
from gateway.management.base import GatewayCommand
from providers.models import Provider


class Command(GatewayCommand):
    help = "Import a provider's usage or cost export (CSV or JSON) and say how far it differs from the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        take_in = verbs.add_parser("import", help="import one file; the same file again changes nothing")
        take_in.add_argument("file", type=Path, metavar="FILE")
        take_in.add_argument("--provider", required=True, metavar="NAME", help="whose account the export is of")

    def handle(self, *args: object, **options: object) -> None:
        path, provider = Path(str(options["file"])), str(options["provider"])
        names = sorted(Provider.objects.values_list("name", flat=True))
        if provider not in names:
            raise CommandError(f"there is no provider {provider}; there are {', '.join(names) or 'none'}")
        actor = operator("bills import")
        try:
            with audited(actor):
                bill, is_new = comparing.take_in(_content(path), provider=provider, name=path.name, actor=actor)
        except (BillUnreadable, OSError) as error:
            raise CommandError(f"{path}: {error}") from error
        self.stdout.write(_summary(bill) if is_new else f"{path.name} was imported already; nothing has changed")


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(reading.MOST_BYTES + 1)


def _summary(bill: Bill) -> str:
    rows = comparing.compared(bill).rows
    days = sorted({row.day for row in rows if row.day is not None})
    return f"{bill.source}, {days[0]} to {days[-1]}: {_difference(total(rows))}"


def _difference(row: Row) -> str:
    if row.difference is None or row.their_cost is None or row.ours is None:
        return "usage only; its costs are in another export"
    theirs, ours = figures.exact_money(row.their_cost), figures.exact_money(row.ours.cost)
    return f"theirs {theirs}, ours {ours}, difference {figures.exact_money(row.difference)}"
