"""What moderations and rankings use: tokens, or search units, whichever has a price. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from billing.bounds import Demand
from billing.pricing import PriceRow, Usage, usage_of
from providers.reranking import units_of

MODERATIONS, RERANK = "moderations", "rerank"
OPERATIONS = frozenset({MODERATIONS, RERANK})
# A ranker reads the query with each document; Cohere bills what is longer than this as several documents, of which the
# query takes up to half.
TOKENS_PER_CHUNK = 500
FRAMING = 16
MOST_UNITS = 1_000_000


class Used(NamedTuple):
    """``doubtful``: the counts contradict each other; ``estimated``: nobody told any."""

    usage: Usage
    doubtful: bool = False
    estimated: bool = False


def used(
    body: Mapping[str, Any], rows: Collection[PriceRow], told: Any, answer: Mapping[str, Any] | None, tokens: int
) -> Used:
    """Return what a call has used that was answered or is being worked on; ``told`` is the usage in its answer.

    What is sold by the request is counted in requests alone, a ranking's in search units. ``tokens`` stand where
    nobody tells any.
    """
    units = _units(body, answer) if "documents" in body else 1
    if _sold_by_request(rows):
        return Used(Usage(request=units))
    if isinstance(told, dict) and told:
        usage, doubtful = usage_of(told)
        return Used(usage._replace(request=units), doubtful)
    return Used(Usage(input=tokens, request=units), estimated=True)


def demand_of(body: Mapping[str, Any]) -> Demand:
    """Return the most that a ranking can use, by tokens or by search units: no token is less than a byte of text."""
    query = _bytes(body["query"])
    sizes = [_bytes(each["text"] if isinstance(each, Mapping) else each) for each in body["documents"]]
    room = TOKENS_PER_CHUNK - min(query, TOKENS_PER_CHUNK // 2)
    chunks = sum(max(1, -(-size // room)) for size in sizes)
    units = units_of(chunks)
    by_tokens = Demand(sum(sizes) + (query + FRAMING) * chunks, 0, requests=units)
    return by_tokens._replace(either=(by_tokens, Demand(0, 0, requests=units)))


def _sold_by_request(rows: Collection[PriceRow]) -> bool:
    components = {row.component for row in rows}
    return "request" in components and "input" not in components


def _units(body: Mapping[str, Any], answer: Mapping[str, Any] | None) -> int:
    meta = answer.get("meta") if answer else None
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    told = billed.get("search_units") if isinstance(billed, dict) else None
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told <= MOST_UNITS:
        return int(told)
    return units_of(len(body["documents"]))


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
