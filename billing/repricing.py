"""What a posted record would cost at other prices, and the correction that makes it so. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from billing.posting import Correction
from billing.pricing import PriceRow, Usage, cost_of

CAUSE = "reprice"
# how a record fares
SAME, CHANGED, PRICED, UNPRICED, LEFT = "same", "changed", "priced", "unpriced", "left"


class Facts(NamedTuple):
    """What a record says of its cost: atoms, None where a price was missing; ``rows`` are those it was priced by."""

    usage: Usage
    rows: tuple[PriceRow, ...]
    service_tier: str
    variant: str
    markup: int
    cost: int | None
    charges: Mapping[int, int]


class Earlier(NamedTuple):
    """What a record's adjustments have added: in all, and by repricing; ``is_final``: its true cost came later."""

    adjustments: int = 0
    cost: int = 0
    repriced: int = 0
    reprices: int = 0
    charges: Mapping[int, int] = {}
    is_final: bool = False


class Verdict(NamedTuple):
    """How a record fares: its net cost before and after (None: unknown), and the correction, if any."""

    state: str
    old: int | None
    new: int | None
    correction: Correction | None = None


def judge(facts: Facts, earlier: Earlier, rows: tuple[PriceRow, ...] | None, usd: Collection[int]) -> Verdict:
    """Return what ``rows``, the prices in force when the record was admitted, make of it.

    What it cost beside its usage (earlier attempts, other corrections) stays; its net never falls below nothing. Of its
    charges those of the periods ``usd`` follow. A second verdict after the correction finds nothing to correct.
    """
    unpriced = facts.cost is None and not earlier.adjustments
    old = None if unpriced else (facts.cost or 0) + earlier.cost
    if not unpriced and not earlier.adjustments and rows == facts.rows:
        return Verdict(SAME, old, old)
    if earlier.is_final:
        return Verdict(LEFT, old, old)
    price = _cost(facts, rows or ())
    if price is None:
        return Verdict(UNPRICED if unpriced else LEFT, old, old)
    known = _known_price(facts, earlier)
    if known is None:
        return Verdict(LEFT, old, old)
    difference = max(price - known, -(old or 0))
    if not difference and not unpriced:
        return Verdict(SAME, old, old)
    new = (old or 0) + difference
    charges = _charges(facts, earlier, difference, unpriced, usd)
    return Verdict(PRICED if unpriced else CHANGED, old, new, Correction(difference, charges, unpriced))


def cause_of(rows: Iterable[PriceRow], earlier: Earlier) -> str:
    """Return what names a correction: the prices that made it, and which of the record's repricings it is."""
    ids = ",".join(str(row.id) for row in sorted(rows))
    return f"{CAUSE}:{sha256(ids.encode()).hexdigest()[:16]}:{earlier.reprices + 1}"


def _known_price(facts: Facts, earlier: Earlier) -> int | None:
    """Return how much of what the record costs is the price of its usage."""
    if facts.cost is None:
        return earlier.cost
    own = _cost(facts, facts.rows)
    return None if own is None else own + earlier.repriced


def _cost(facts: Facts, rows: tuple[PriceRow, ...]) -> int | None:
    return cost_of(facts.usage, rows, facts.service_tier, facts.variant, facts.markup).atoms


def _charges(facts: Facts, earlier: Earlier, difference: int, unpriced: bool, usd: Collection[int]) -> dict[int, int]:
    """Return by how much each period of money is charged more: an unpriced record was charged what it held."""
    changed = {}
    for period, charge in facts.charges.items():
        if period in usd:
            more = difference - charge - earlier.charges.get(period, 0) if unpriced else difference
            if more:
                changed[period] = more
    return changed
