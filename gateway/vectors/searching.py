"""Search of vector stores: by what a text means, as the store's embeddings have it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

from gateway.asking import Threads, in_store
from gateway.inquiry import Inquiry
from gateway.vectors import embedding, nearest
from gateway.vectors.asked import Asked, threshold_of
from gateway.vectors.filters import filter_of
from gateway.vectors.nearest import Found as Found
from gateway.vectors.nearest import Place
from gateway.vectors.refusals import OtherLength, StoreExpired

logger = logging.getLogger(__name__)

# of their own: comparing takes the processor, and nobody else is to wait for that
_in_thread = Threads("searching", 64, 256).run

Headers = list[tuple[str, str]]


class Searched(NamedTuple):
    """What was found, and what the answer's headers say of the call that embedded the queries."""

    found: list[Found]
    headers: Headers


async def search(
    inquiry: Inquiry,
    stores: Sequence[str],
    queries: Sequence[str],
    *,
    most: int = 10,
    filters: Mapping[str, Any] | None = None,
    ranking: Mapping[str, Any] | None = None,
) -> list[Found]:
    """Return at most ``most`` pieces of the caller's ``stores`` that are nearest to any of ``queries``, the best first.

    ``filters`` and ``ranking`` are as the wire has them, checked here: a comparison or compound filter of attributes,
    ``ranking_options``. The queries are embedded in a call of its own for each model that the stores are embedded
    with, billed to the inquiry's caller; the call carries all that the inquiry does. A store that has expired has
    nothing to be found. Raises ``NoStore``, ``Invalid``, ``OtherLength`` where a store's model leads elsewhere now,
    ``Unusable``, and what an embeddings call is refused for.
    """
    asked = Asked(tuple(queries), most, filter_of(filters), threshold_of(ranking))
    places = await in_store(nearest.places, inquiry.caller, stores)
    return (await _searched(inquiry, places, asked)).found


async def search_one(inquiry: Inquiry, handle: str, asked: Asked) -> Searched:
    """Return what is found in one store. Raises as ``search``, and ``StoreExpired``."""
    (place,) = await in_store(nearest.places, inquiry.caller, [handle])
    if place.has_expired:
        raise StoreExpired(handle)
    done = await _searched(inquiry, [place], asked)
    return Searched(done.found, [*done.headers, *embedding.headers_of(place.model)])


async def _searched(inquiry: Inquiry, places: Sequence[Place], asked: Asked) -> Searched:
    found: list[Found] = []
    headers: Headers = []
    searched = sorted((place for place in places if place.dimensions and not place.has_expired), key=_vectors)
    for number, (_, alike) in enumerate(groupby(searched, key=_vectors), 1):
        same = list(alike)
        embedded = await _embedded(inquiry, same[0].model, asked.queries, number)
        _check_alike(same, embedded.vectors)
        found += await _in_thread(nearest.best, inquiry.caller, [place.id for place in same], embedded.vectors, asked)
        headers = embedded.headers
    # scores of different models are compared for want of anything better
    return Searched(sorted(found, key=lambda each: -each.score)[: asked.most], headers)


def _vectors(place: Place) -> tuple[str, int]:
    return place.model, place.dimensions


def _check_alike(places: Sequence[Place], queries: Sequence[bytes]) -> None:
    """Raise ``OtherLength`` where the queries cannot be compared with what is in these places."""
    length = embedding.dimensions(queries[0])
    for place in places:
        if place.dimensions != length:
            logger.warning(
                "%s cannot be searched: its vectors have %d numbers, those of '%s' now %d",
                place.handle, place.dimensions, place.model, length,
            )  # fmt: skip
            raise OtherLength(place.handle)


async def _embedded(inquiry: Inquiry, model: str, queries: Sequence[str], number: int) -> embedding.Embedded:
    """Embed the queries in a call with a request id of its own, the first one's being the inquiry's."""
    id = inquiry.request_id if number == 1 else f"{inquiry.request_id}-{number}"
    asking = replace(inquiry, request_id=id)
    try:
        return await embedding.embed(asking, model, queries)
    finally:
        inquiry.attempts, inquiry.provider = asking.attempts, asking.provider
