"""``tollgate seed_demo``: the demo provider, its routes and prices."""

from __future__ import annotations

from accounts.operators import operator
from gateway.configuration.demo import seed_demo
from gateway.management.base import GatewayCommand


class Command(GatewayCommand):
    help = "Make the demo provider, its routes and its prices where they are missing."

    def handle(self, *args: object, **options: object) -> None:
        made = seed_demo(operator("seed_demo"))
        self.stdout.write("The demo provider is in place." if made else "The demo provider was there already.")
