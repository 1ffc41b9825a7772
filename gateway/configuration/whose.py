"""Whom a file's budgets and limits are of, and which rows are theirs."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Model, Q, QuerySet

from accounts.models import ApiKey, Team, User
from billing.models import Budget, Limit
from providers.models import ModelRoute

NOBODY = {"user": None, "team": None, "api_key": None}


class Whose(NamedTuple):
    """A user, a team, a key, a route, or the whole gateway; ``row`` is None where it is not one of the first three."""

    name: str
    row: Model | None = None
    route: str = ""

    @property
    def columns(self) -> dict[str, Any]:
        return {**NOBODY, COLUMNS[type(self.row)]: self.row} if self.row is not None else NOBODY

    def of(self, rows: QuerySet) -> QuerySet:
        """Return those of its budgets or limits. What names a route's model and nobody else is the route's."""
        if self.row is not None:
            return rows.filter(**{COLUMNS[type(self.row)]: self.row})
        shared = rows.filter(user=None, team=None, api_key=None)
        return shared.filter(model=self.route) if self.route else shared.exclude(_of_routes())

    def budgets(self) -> list[Budget]:
        return list(self.of(Budget.objects.filter(ended_at=None)).order_by("pk"))

    def limit(self) -> Limit | None:
        """Return what limits it, over all models or its own."""
        return self.of(Limit.objects.all()).filter(model=self.route).order_by("pk").first()


COLUMNS: dict[type[Model], str] = {User: "user", Team: "team", ApiKey: "api_key"}
GATEWAY = Whose("the gateway")


def _of_routes() -> Q:
    return Q(model__in=ModelRoute.objects.values("model"))
