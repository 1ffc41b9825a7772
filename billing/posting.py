"""What posted lines do to the ledger's sums: spend, periods, allowances. Pure: values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from billing.lines import End, Line, Return, Settled

MICROSECONDS = 10**6
QUARTER = 15 * 60 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
DAY = 24 * HOUR
VALUE_LENGTH = 256


class Batch(NamedTuple):
    """What of a journal's lines is posted: records by id, what is given back by {period: amount}, whether it ends."""

    settled: dict[str, Settled]
    returned: Counter[int]
    has_ended: bool


class SpendKey(NamedTuple):
    """A row of spend; ``bucket`` is the start of a quarter hour in microseconds. Rows are locked in this order."""

    dimension: str
    value: str
    bucket: int


class Sums(NamedTuple):
    requests: int = 0
    tokens: int = 0
    cost: int = 0
    unpriced: int = 0

    def plus(self, other: Sums) -> Sums:
        return Sums(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
        )


class Spender(Protocol):
    """Who and what a record's spend is counted under."""

    @property
    def user(self) -> int | None: ...
    @property
    def team(self) -> int | None: ...
    @property
    def api_key(self) -> int | None: ...
    @property
    def model(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def upstream_model(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def tags(self) -> Iterable[str]: ...
    @property
    def end_user(self) -> str: ...


class Known(NamedTuple):
    """A record in the ledger that a line meets: is its cost an estimate of an end that nobody saw, and what is it."""

    is_estimate: bool
    cost: int | None
    charges: Mapping[int, int]


class Correction(NamedTuple):
    """What an adjustment adds to a record. ``prices`` says that the record had no cost before."""

    cost: int
    charges: dict[int, int]
    prices: bool


def batch_of(lines: Iterable[Line]) -> Batch:
    """Return what is to be posted of a holder's lines, each id once."""
    batch = Batch({}, Counter(), False)
    for line in lines:
        if isinstance(line, Settled):
            batch.settled.setdefault(line.id, line)
        elif isinstance(line, Return):
            batch.returned.update(line.amounts)
        elif isinstance(line, End):
            batch = batch._replace(has_ended=True)
    return batch


def spend_of(settled: Iterable[Settled]) -> dict[SpendKey, Sums]:
    """Return what the records add to spend."""
    spend: dict[SpendKey, Sums] = {}
    for line in settled:
        own = Sums(1, tokens_of(line), line.cost or 0, int(line.cost is None))
        add_spend(spend, line, line.admitted_at, own)
    return spend


def add_spend(spend: dict[SpendKey, Sums], spender: Spender, admitted_at: int, own: Sums) -> None:
    bucket = admitted_at - admitted_at % QUARTER
    for dimension, value in dimensions(spender):
        key = SpendKey(dimension, value, bucket)
        known = spend.get(key)
        spend[key] = known.plus(own) if known else own


def days_of(spend: Mapping[SpendKey, Sums]) -> dict[tuple[str, int, str], Sums]:
    """Return {(dimension, start of the day (UTC) in microseconds, value): sums} of spend's quarter hours."""
    days: dict[tuple[str, int, str], Sums] = {}
    for (dimension, value, bucket), own in spend.items():
        key = dimension, bucket - bucket % DAY, value
        known = days.get(key)
        days[key] = known.plus(own) if known else own
    return days


def dimensions(spender: Spender) -> Iterator[tuple[str, str]]:
    """Yield the dimensions a record counts under, ids as text; one of its tags each."""
    yield "total", ""
    model = fitted(spender.model, 200)
    for name, id in (("user", spender.user), ("team", spender.team), ("api_key", spender.api_key)):
        if id is not None:
            yield name, str(id)
            yield f"{name}_model", pair(id, model)
    yield "model", model
    yield "operation", fitted(spender.operation, 40)
    for name, text, length in (
        ("provider", spender.provider, 100),
        ("upstream_model", spender.upstream_model, 200),
        ("end_user", spender.end_user, VALUE_LENGTH),
    ):
        if kept := fitted(text, length):
            yield name, kept
    for tag in dict.fromkeys(fitted(tag, VALUE_LENGTH) for tag in spender.tags):
        if tag:
            yield "tag", tag


def pair(id: int, model: str) -> str:
    """Return under what value spend keeps what one user, team or key spent on one model."""
    return f"{id} {model}"


def tokens_of(line: Settled) -> int:
    return (
        line.input_tokens + line.cached_input_tokens + line.cache_write_tokens + line.cache_write_1h_tokens
        + line.output_tokens + line.reasoning_tokens + line.audio_in_tokens + line.audio_out_tokens
        + line.image_in_tokens + line.image_out_tokens
    )  # fmt: skip


def charges_of(settled: Iterable[Settled]) -> Counter[int]:
    """Return {period: amount} by which ``posted`` rises."""
    charges: Counter[int] = Counter()
    for line in settled:
        charges.update(line.charges)
    return charges


def hours_of(settled: Iterable[Settled]) -> Counter[tuple[int, int]]:
    """Return {(period, start of the hour in microseconds): amount}, for rolling budgets."""
    hours: Counter[tuple[int, int]] = Counter()
    for line in settled:
        start = line.admitted_at - line.admitted_at % HOUR
        hours.update({(period, start): charge for period, charge in line.charges.items()})
    return hours


def gives_of(settled: Iterable[Settled], batch: Batch, held: Mapping[int, int]) -> dict[int, int]:
    """Return {period: amount} by which ``used`` rises and ``lent`` falls.

    ``settled`` are the lines that became records, ``held`` what the holder's allowances hold (granted - used). An
    allowance gives back at most what it holds: that covers closed holders, late segments, a database that went back.
    """
    if batch.has_ended:
        return {period: amount for period, amount in held.items() if amount}
    given = Counter(batch.returned)
    for line in settled:
        given.update(line.taken)
    return {period: give for period, amount in given.items() if (give := min(amount, held.get(period, 0)))}


def correction_of(known: Known, line: Settled) -> Correction | None:
    """Return what a line that comes after the write-off of its request adds to it, None where that is nothing."""
    if not known.is_estimate or line.cost is None:
        return None
    charges = Counter(line.charges)
    charges.subtract(known.charges)
    changed = {period: amount for period, amount in charges.items() if amount}
    cost = line.cost - (known.cost or 0)
    if not (cost or changed or known.cost is None):
        return None
    return Correction(cost, changed, known.cost is None)


def fitted(text: str, length: int) -> str:
    """Return ``text`` as a column takes it: no NUL, not too long."""
    return text.replace("\0", "")[:length] if "\0" in text or len(text) > length else text
