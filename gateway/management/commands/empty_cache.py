"""``tollgate empty_cache``: cached answers of routes are given to nobody any more."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import audited
from accounts.operators import operator
from gateway.caching.emptying import empty
from providers.models import ModelRoute


class Command(BaseCommand):
    help = "Empty the answer cache of routes, in every process within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("models", nargs="*", metavar="MODEL", help="routes, by their public names")
        parser.add_argument("--all", action="store_true", help="every route")

    def handle(self, *args: object, **options: object) -> None:
        if bool(options["models"]) == options["all"]:
            raise CommandError("name the routes, or say --all")
        for model, route in self._routes(options["models"]).items():
            with audited(operator("empty_cache")):
                empty(route)
            self.stdout.write(f"The answer cache of {model} is empty.")

    def _routes(self, models: list[str]) -> dict[str, int]:
        found = ModelRoute.objects.filter(model__in=models) if models else ModelRoute.objects.all()
        routes = dict(found.order_by("model").values_list("model", "pk"))
        if unknown := [model for model in models if model not in routes]:
            raise CommandError(f"there is no route {', '.join(unknown)}")
        return routes
