"""A route's cache is emptied: a raised version means other keys. What stands under the old ones ends by itself."""

from __future__ import annotations

from django.db import transaction

from providers.models import ModelRoute


@transaction.atomic
def empty(route: int) -> None:
    """Empty the cache of a route (its primary key); in force everywhere within a second."""
    row = ModelRoute.objects.select_for_update().get(pk=route)
    row.cache_version += 1
    row.save(update_fields=["cache_version"])
