"""``tollgate verify_ledger``: exit 0 when every sum agrees, 1 and every difference otherwise."""

from __future__ import annotations

import sys

from billing.verify import verify
from gateway.management.base import GatewayCommand


class Command(GatewayCommand):
    help = "Make every sum of the ledger again from its records and print each difference."

    def handle(self, **options: object) -> None:
        report = verify()
        for sentence in (*report.differences, *report.notes):
            self.stdout.write(sentence)
        if report.differences:
            self.stdout.write(f"{len(report.differences)} differences")
            sys.exit(1)
        self.stdout.write("the ledger is clean")
