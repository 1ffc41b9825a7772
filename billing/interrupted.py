"""Which requests a journal leaves open, and what their records say. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from billing import lines
from billing.lines import Begin, End, Mark, Open, Settled
from billing.pricing import UNCHANGED, Usage, costs_of, divide_half_even


class Unsettled(NamedTuple):
    """A request without a settled line, and the tokens it had delivered when that was last noted."""

    opened: Open
    output: int


def left_open(payloads: Iterable[bytes]) -> list[Unsettled]:
    """Return what is open after the last line of a journal, given its files newest first.

    The newest file carries every open line; where death came while it was begun, it has fewer than it says, and the
    one before is read with it, and so on back.
    """
    readings = []
    for payload in payloads:
        readings.append(lines.read(payload))
        if _is_whole(readings[-1]):
            break
    unsettled: dict[str, Unsettled] = {}
    for reading in reversed(readings):
        for _, line, _ in reading.lines:
            _follow(unsettled, line)
    return list(unsettled.values())


def has_ended(payload: bytes) -> bool:
    """Say whether nothing can follow this file."""
    said = lines.read(payload).lines
    return bool(said) and isinstance(said[-1].line, End)


def record_of(unsettled: Unsettled, finished_at: int, status: str = "interrupted") -> Settled:
    """Return the record of a request whose end nobody saw: the prompt's estimate and what was delivered."""
    opened = unsettled.opened
    usage = _usage(unsettled)
    cost, upstream_cost = _costs(opened, usage)
    return lines.settled(
        opened,
        usage,
        cost=cost,
        upstream_cost=upstream_cost,
        status=status,
        finished_at=finished_at,
        estimated=True,
    )


def closing(holder: str, seq: int, unsettled: Iterable[Unsettled], finished_at: int) -> bytes:
    """Return the last file of a dead holder: each open request interrupted, then the end."""
    settled = [lines.encode(record_of(each, finished_at)) for each in unsettled]
    return lines.head(holder, seq) + b"".join(settled) + lines.encode(End())


def _usage(unsettled: Unsettled) -> Usage:
    opened = unsettled.opened
    if opened.asked:
        return Usage(**{name: count for name, count in opened.asked.items() if name in Usage._fields})
    return Usage(input=opened.prompt_tokens, output=unsettled.output)


def _costs(opened: Open, usage: Usage) -> tuple[int | None, int | None]:
    """Return what the request is charged, and what of that is the provider's, in atoms."""
    if opened.bound is not None:
        return opened.bound, _before_markup(opened.bound, opened.markup)
    if opened.price_rows is None:
        return None, None
    rows = opened.price_rows
    earlier = _before_markup(opened.charged, opened.markup) if opened.charged else 0
    cost, upstream_cost = costs_of(usage, rows, opened.service_tier, opened.variant, opened.markup)
    if cost is None or upstream_cost is None:
        return None, None
    return cost + opened.charged, None if earlier is None else upstream_cost + earlier


def _before_markup(atoms: int, markup: int) -> int | None:
    """Return what of an amount is the provider's; of one that was charged nothing for, that cannot be told."""
    if markup == 0:
        return None
    return divide_half_even(atoms * UNCHANGED, markup)


def _is_whole(reading: lines.Reading) -> bool:
    if reading.unreadable or not reading.lines or not isinstance(begin := reading.lines[0].line, Begin):
        return False
    return begin.carried <= sum(isinstance(line, Open) for _, line, _ in reading.lines)


def _follow(unsettled: dict[str, Unsettled], line: lines.Line) -> None:
    if isinstance(line, Open):
        known = unsettled.get(line.id)
        unsettled[line.id] = Unsettled(line, known.output if known else 0)
    elif isinstance(line, Mark) and line.id in unsettled:
        unsettled[line.id] = unsettled[line.id]._replace(output=line.output)
    elif isinstance(line, Settled):
        unsettled.pop(line.id, None)
