"""Things that callers keep here: whose they are, and who may see them."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Q

from accounts.callers import Caller
from accounts.models import ApiKey, Team, User


class OwnedQuerySet(models.QuerySet[Any]):
    """Rows of callers' things."""

    def visible_to(self, caller: Caller) -> Self:
        """Return the rows of the caller's user within the key's team; of a service account those of its team alone."""
        return self.filter(Q(user=caller.user_id, team=caller.team_id))


class Owned(models.Model):
    """A thing that belongs to a key's user and team. ``api_key`` is the key that made it, while that exists."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        abstract = True


def owner_of(caller: Caller) -> dict[str, int | None]:
    """Return the columns that make a new row the caller's."""
    return {"user_id": caller.user_id, "team_id": caller.team_id, "api_key_id": caller.key_id}
