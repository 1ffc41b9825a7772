"""`tollgate seed_prices`: what models cost, from genai-prices' data as installed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from billing import seeding
from gateway.management.base import GatewayCommand


class Command(GatewayCommand):
    help = "Add the prices of the installed genai-prices data that are not there yet. Never edits a row."

    def handle(self, *args: Any, **options: Any) -> None:
        count = seeding.seed(timezone.now())
        if options["verbosity"] > 1:
            self.stdout.write(f"{count} price rows added")
