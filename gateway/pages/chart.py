"""Stacked bars as they are drawn: numbers in, coordinates out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 10, 26
MOST_SERIES = 8
OTHER = "other"
GRIDLINES = 4
LABELS = 9
NICE = tuple(Decimal(step) for step in ("1", "1.2", "1.6", "2", "2.4", "3.2", "4", "5", "6", "8", "10"))

Number = Decimal | int


class Segment(NamedTuple):
    """A part of a bar: where it is, which series it belongs to, and what it says."""

    y: float
    height: float
    series: int
    title: str


class Bar(NamedTuple):
    x: float
    width: float
    title: str
    segments: list[Segment]


class Mark(NamedTuple):
    """A gridline or a label of an axis."""

    at: float
    text: str


class Chart(NamedTuple):
    bars: list[Bar]
    grid: list[Mark]
    labels: list[Mark]
    series: list[str]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM


def grouped(values: Sequence[str]) -> list[str]:
    """Return the series for values in their order of size: all of up to eight, else seven and the rest as one."""
    return list(values) if len(values) <= MOST_SERIES else [*values[: MOST_SERIES - 1], OTHER]


def stacked(
    steps: Sequence[str],
    amounts: Sequence[Mapping[str, Number]],
    order: Sequence[str],
    write: Callable[[Number], str],
) -> Chart:
    """Return one bar for each of ``steps``; ``amounts`` are {value: amount}, ``order`` the values, largest first."""
    series = grouped(order)
    piles = [_pile(amount, series) for amount in amounts]
    top = _nice(max((sum(pile) for pile in piles), default=0))
    room = (WIDTH - LEFT - RIGHT) / max(1, len(steps))
    bars = [
        _bar(LEFT + room * position, room, label, pile, top, series, write)
        for position, (label, pile) in enumerate(zip(steps, piles, strict=True))
    ]
    return Chart(bars, _grid(top, write), _labels(steps, room), series)


def _pile(amount: Mapping[str, Number], series: Sequence[str]) -> list[Number]:
    named = [amount.get(value, 0) for value in series if value != OTHER]
    if len(named) == len(series):
        return named
    return [*named, sum(amount.values()) - sum(named)]


def _bar(
    x: float, room: float, label: str, pile: Sequence[Number], top: Number, series: Sequence[str],
    write: Callable[[Number], str],
) -> Bar:  # fmt: skip
    gap = min(4.0, room * 0.15)
    whole = sum(pile)
    segments = []
    y = float(HEIGHT - BOTTOM)
    for number, amount in enumerate(pile):
        if not amount:
            continue
        height = float(amount / top) * (HEIGHT - BOTTOM - TOP) if top else 0.0
        y -= height
        percent = round(100 * amount / whole)
        segments.append(
            Segment(round(y, 2), round(height, 2), number, f"{label}: {series[number]} {write(amount)}, {percent} %")
        )
    return Bar(round(x + gap / 2, 2), round(room - gap, 2), f"{label}: {write(whole)}", segments)


def _nice(largest: Number) -> Decimal:
    """Return a round number at or above ``largest`` that four gridlines divide well."""
    if not largest:
        return Decimal(0)
    size = Decimal(largest)
    unit = Decimal(1).scaleb(size.adjusted())
    return next(step * unit for step in NICE if step * unit >= size)


def _grid(top: Decimal, write: Callable[[Number], str]) -> list[Mark]:
    if not top:
        return [Mark(HEIGHT - BOTTOM, "0")]
    span = HEIGHT - BOTTOM - TOP
    return [
        Mark(round(HEIGHT - BOTTOM - span * line / GRIDLINES, 1), write(top * line / GRIDLINES) if line else "0")
        for line in range(GRIDLINES + 1)
    ]


def _labels(steps: Sequence[str], room: float) -> list[Mark]:
    every = max(1, -(-len(steps) // LABELS))
    return [
        Mark(round(LEFT + room * (position + 0.5), 1), step)
        for position, step in enumerate(steps)
        if position % every == 0
    ]


def sparkline(amounts: Sequence[Number]) -> str:
    """Return the path of a line through ``amounts`` in a box of 100 by 28."""
    if len(amounts) < 2:
        return ""
    top = max(amounts) or 1
    points = [
        (100 * position / (len(amounts) - 1), 26 - 24 * float(amount / top)) for position, amount in enumerate(amounts)
    ]
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
