"""Places in lists of rows: next to a cursor, and next to one that was deleted a while ago.

Who lists and deletes as it goes asks for the page after the last item that it has deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Q

from billing import clock, database
from gateway.fieldchecks import Invalid
from gateway.lists.rows import Gone
from gateway.responses.listing import Query
from gateway.responses.refusals import is_id

KEPT = timedelta(days=1)


def name_of(kind: str, *whose: int | None) -> str:
    """Return what the list of this kind is called that belongs to a row, or to a user and a team."""
    return f"{kind} {' '.join(str(each or 0) for each in whose)}"


def next_to(found: Any, query: Query, name: str = "", *, among: Any = None, column: str = "handle") -> list[Any]:
    """Return the rows beyond the query's cursor, next to it first, and one more than it asks for. Raises ``Invalid``.

    Rows are in the order of their numbers. The cursor is the ``column`` of one ``among`` the whole list, of which
    ``found`` may be a part, or of one that has gone from the list ``name``. ``listing.paged`` makes a page of what
    they look like.
    """
    is_rising = (query.order == "asc") != bool(query.before)
    cursor, param = (query.before, "before") if query.before else (query.after, "after")
    beyond = Q()
    if cursor:
        place = _place(found if among is None else among, cursor, name, column) if is_id(cursor) else None
        if place is None:
            raise Invalid(f"Invalid value for '{param}': there is no '{cursor:.64}' in this list.", param)
        beyond = Q(pk__gt=place) if is_rising else Q(pk__lt=place)
    return list(found.filter(beyond).order_by("pk" if is_rising else "-pk")[: query.limit + 1])


def _place(among: Any, cursor: str, name: str, column: str) -> int | None:
    place: int | None = among.filter(**{column: cursor}).values_list("pk", flat=True).first()
    if place is None and name:
        gone = Gone.objects.filter(list=name, item=cursor).order_by("-pk")
        place = gone.values_list("place", flat=True).first()
    return place


def note(gone: Iterable[tuple[str, str, int]]) -> None:
    """Remember, for a while, the lists, ids and places of what is deleted; in the transaction that does it."""
    now = clock.now()
    Gone.objects.bulk_create(Gone(list=name, item=item, place=place, gone_at=now) for name, item, place in gone)


def drop_old() -> None:
    Gone.objects.filter(gone_at__lt=database.now() - KEPT).delete()
