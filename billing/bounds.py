"""The most that one attempt can cost: what is reserved before it is sent (docs/budgets.md). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from billing.pricing import MILLISECONDS, SEPARATOR, UNCHANGED, UNITS, PriceRow, variant_of, variants

# Tokens may be billed in several classes, each rounded by itself, where one of them costs no whole number of atoms.
ROUNDINGS = 4
INPUTS = ("input", "cache_write", "cache_write_1h", "cached_input", "image_in")
OUTPUTS = ("output", "reasoning", "image_out")
# What an answer may be long where neither the caller nor the target says.
MOST_OUTPUT = 16_384
SIZE = re.compile(r"\d+x\d+")
# Where only a part fits, less than this is no answer.
LEAST_OUTPUT = 1_024


class Demand(NamedTuple):
    """What a call can use at most: tokens of the prompt, of each of ``choices`` answers, and what is not tokens.

    ``either`` are the ways that it may be billed, where it is billed in one of several units: each by itself.
    ``requests`` are what a price per request is for: the search units of a ranking.
    """

    prompt: int
    output: int
    choices: int = 1
    has_audio: bool = False
    images: int = 0
    milliseconds: int = 0
    characters: int = 0
    either: tuple[Demand, ...] = ()
    requests: int = 1

    @property
    def tokens(self) -> int:
        return self.prompt + self.choices * self.output


def most(
    demand: Demand, rows: Iterable[PriceRow], *, tier: str = "", markup: int = UNCHANGED, variant: str = ""
) -> int | None:
    """Return the most that ``demand`` can cost in atoms, rounded up; None where a price is missing.

    ``markup`` is in millionths, a margin included. Every tier by length that the prompt can reach counts, every
    class a token can be billed as, and every variant that an image can be of which ``variant`` is known.
    """
    if demand.either:
        prices = list(rows)
        ways = [most(way, prices, tier=tier, markup=markup, variant=variant) for way in demand.either]
        return max((cost for cost in ways if cost is not None), default=None)
    reachable = [
        row
        for row in rows
        if row.service_tier in ("", tier) and not (row.above_tokens and row.above_tokens >= demand.prompt)
    ]
    if any(row.variant for row in reachable):
        reachable = _of_variants(reachable, variant)
    audio = ("audio_in",) if demand.has_audio else ()
    parts = (
        (demand.prompt, (*INPUTS, *audio), 1),
        (demand.choices * demand.output, (*OUTPUTS, *(("audio_out",) if demand.has_audio else ())), 1),
        (demand.images, ("image",), 1),
        (demand.milliseconds, ("second",), MILLISECONDS),
        (demand.characters, ("character",), 1),
    )
    total = _amount(demand.requests, _dearest(reachable, ("request",)) or (0, 1), markup)
    for quantity, components, scale in parts:
        if not quantity:
            continue
        dearest = _dearest(reachable, components)
        if dearest is None:
            return None
        total += _amount(quantity, (dearest[0], dearest[1] * scale), markup)
    return total


def _of_variants(rows: list[PriceRow], said: str) -> list[PriceRow]:
    """Return the rows that may price an image of which only ``said`` is known: the nearest to each that it can be."""
    kept: list[PriceRow] = []
    for whole in _wholes(rows, said):
        nearness = {variant: near for near, variant in enumerate(variants(whole))}
        fitting = [row for row in rows if row.variant in nearness]
        nearest: dict[tuple[str, str], int] = {}
        for row in fitting:
            key = row.component, row.service_tier
            nearest[key] = max(nearest.get(key, 0), nearness[row.variant])
        kept += [row for row in fitting if nearness[row.variant] == nearest[row.component, row.service_tier]]
    return kept


def _wholes(rows: list[PriceRow], said: str) -> set[str]:
    """Return what an image can be of which ``said`` is known, as far as prices tell it from others."""
    size, quality = _parts(said)
    known = [_parts(row.variant) for row in rows]
    sizes = {size} if size else {"", *(each for each, _ in known)}
    qualities = {quality} if quality else {"", *(each for _, each in known)}
    return {variant_of(one, other) for one in sizes for other in qualities}


def _parts(variant: str) -> tuple[str, str]:
    """Return size and quality, empty where they are not said."""
    size, separator, quality = variant.partition(SEPARATOR)
    if separator or SIZE.fullmatch(size):
        return size, quality
    return "", size


def output_that_fits(demand: Demand, room: int, rows: Iterable[PriceRow], *, tier: str = "", markup: int) -> int:
    """Return the most output tokens of each choice with which ``demand`` costs no more than ``room`` atoms."""
    prices = list(rows)
    least = most(demand._replace(output=0), prices, tier=tier, markup=markup)
    with_million = most(demand._replace(output=1_000_000), prices, tier=tier, markup=markup)
    if least is None or with_million is None or least > room:
        return 0
    if with_million == least:
        return demand.output
    fits = (room - least) * 1_000_000 // (with_million - least)
    kept = most(demand._replace(output=fits), prices, tier=tier, markup=markup)
    if kept is not None and kept <= room:
        return fits
    return max(0, room - least - ROUNDINGS) * 1_000_000 // (with_million - least)


def _dearest(rows: list[PriceRow], components: tuple[str, ...]) -> tuple[int, int] | None:
    """Return (atoms, per) of the dearest of ``components``; one without a row costs what its default does."""
    found = [(row.amount_atoms, UNITS[row.unit]) for row in rows if row.component in components]
    return max(found, key=lambda price: price[0] * (UNITS["million"] // price[1]), default=None)


def _amount(quantity: int, price: tuple[int, int], markup: int) -> int:
    whole, rest = divmod(quantity * price[0] * markup, price[1] * UNCHANGED)
    return whole + ROUNDINGS if rest or price[0] * markup % (price[1] * UNCHANGED) else whole
