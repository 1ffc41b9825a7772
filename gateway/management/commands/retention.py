"""``tollgate retention``: which months of usage records may go; with --apply they go, and their sums are carried."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from billing import carrying, clock
from gateway import figures, retaining
from gateway.management.base import GatewayCommand


class Command(GatewayCommand):
    help = "Show the months of usage records that may go; --apply carries their sums and drops them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--months", type=int, help="keep this many whole months (settings.retention_months)")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument(
            "--keep-tables",
            action="store_true",
            help="PostgreSQL: detach the months, but leave their tables to be saved",
        )

    def handle(self, *args: object, **options: Any) -> None:
        kept = retaining.months() if options["months"] is None else options["months"]
        if not kept:
            self.stdout.write("Records are kept for ever: settings.retention_months is not set, nor --months given.")
            return
        if kept < carrying.FEWEST_MONTHS:
            raise CommandError(f"records are kept for at least {carrying.FEWEST_MONTHS} months")
        months = carrying.due(kept, clock.now())
        if not months:
            self.stdout.write(f"No record is older than {kept} whole months.")
        for month in months:
            gone = carrying.described(month)
            if options["apply"]:
                self._carry(month, options["keep_tables"])
            self.stdout.write(
                f"{month.start:%Y-%m}: {gone.spent.requests:,} records and {gone.corrections:,} corrections, "
                f"{figures.exact_money(gone.spent.cost)} {'are carried' if options['apply'] else 'would go'}"
            )
        if months and not options["apply"]:
            self.stdout.write("Nothing is changed: --apply does it. `tollgate export records` saves a month before.")

    def _carry(self, month: carrying.Month, keep_table: bool) -> None:
        try:
            carrying.carry(month, keep_table=keep_table)
        except (carrying.DiffersFromSpend, carrying.Busy) as error:
            raise CommandError(str(error)) from error
