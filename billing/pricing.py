"""What one call's usage costs. Pure, and exact: every amount is a whole number of atoms of 10^-10 USD."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

# What a price's amount is for: so many of the class's own units (tokens, images, characters, requests).
UNITS = {"million": 1_000_000, "one": 1}
MILLISECONDS = 1000
# A factor on prices is in millionths; this one changes nothing.
UNCHANGED = 1_000_000

# A class without a price of its own is priced as this one. Any other class that has usage and no price leaves the
# cost unknown; a call without a price per request simply has none.
DEFAULTS = {
    "cached_input": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "image_in": "input",
    "image_out": "output",
}

# Beyond this an upstream is talking nonsense: ten times the longest context there is.
MOST = 100_000_000
# What a price may be, in USD per unit, and a markup, in millionths. With the dearest of both, MOST tokens of every
# class cost 2 x 10^17 atoms: a column holds the sum of 46 such calls, or of any number of calls that make sense.
MOST_USD = {"million": 10_000, "one": 1_000}
MOST_MARKUP = 10 * UNCHANGED
# No amount of one class is counted above this (ten million USD), whatever its quantity is said to be.
CEILING = 10**17

SEPARATOR = "/"


class Usage(NamedTuple):
    """What a call used, in disjoint classes: each token stands in one of them. ``second`` is in milliseconds."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_out: int = 0
    image: int = 0
    second: int = 0
    character: int = 0
    request: int = 1

    @property
    def prompt_tokens(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.cache_write_1h + self.audio_in + self.image_in

    @property
    def completion_tokens(self) -> int:
        return self.output + self.reasoning + self.audio_out + self.image_out

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class PriceRow(NamedTuple):
    """One component's price: ``amount_atoms`` per ``unit``, for prompts longer than ``above_tokens``.

    ``variant`` is an image's size and quality, such as 1024x1024/hd.
    """

    id: int
    component: str
    above_tokens: int
    service_tier: str
    unit: str
    amount_atoms: int
    variant: str = ""


class Part(NamedTuple):
    """One line of a cost: ``quantity`` of ``component`` at ``price`` makes ``atoms``; both None where unpriced."""

    component: str
    quantity: int
    price: PriceRow | None
    atoms: int | None


class Cost(NamedTuple):
    """The sum of the parts, or None where the price of a used class is missing."""

    atoms: int | None
    parts: tuple[Part, ...]


def usage_of(reported: dict[str, Any]) -> tuple[Usage, bool]:
    """Return the ``usage`` of an OpenAI answer in classes, and whether it is doubtful. Responses have their own words.

    Doubtful: the classes do not add up to the reported total, a part exceeds its whole, or a count is no count.
    What upstreams of that format send in other words is understood: DeepSeek's ``prompt_cache_hit_tokens``,
    ``cache_read_input_tokens`` and ``cache_creation_input_tokens``, xAI's reasoning beside the completion.
    """
    counts = _Counts(reported)
    read, prompt_parts = counts.read, counts.part("prompt_tokens_details", "input_tokens_details")
    completion_parts = counts.part("completion_tokens_details", "output_tokens_details")

    prompt = read(reported, "prompt_tokens", "input_tokens")
    completion = read(reported, "completion_tokens", "output_tokens")
    reasoning = read(completion_parts, "reasoning_tokens")
    total = read(reported, "total_tokens") if reported.get("total_tokens") is not None else prompt + completion
    if reported.get("prompt_tokens") is None and reported.get("input_tokens") is None and total > completion:
        prompt = total - completion
    elif reasoning and total == prompt + completion + reasoning:
        completion += reasoning
    counts.doubt(prompt + completion != total)

    cached = (
        read(prompt_parts, "cached_tokens")
        or read(reported, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    )  # fmt: skip
    written = read(prompt_parts, "cache_write_tokens") or read(reported, "cache_creation_input_tokens")
    cached, written, audio_in = counts.within(prompt, cached, written, read(prompt_parts, "audio_tokens"))
    (written_1h,) = counts.within(written, read(prompt_parts, "cache_write_1h_tokens"))
    reasoning, audio_out = counts.within(completion, reasoning, read(completion_parts, "audio_tokens"))
    image_in = counts.left_of(prompt, prompt - cached - written - audio_in, read(prompt_parts, "image_tokens"))
    image_out = counts.left_of(completion, completion - reasoning - audio_out, read(completion_parts, "image_tokens"))
    usage = Usage(
        input=prompt - cached - written - audio_in - image_in,
        cached_input=cached,
        cache_write=written - written_1h,
        cache_write_1h=written_1h,
        output=completion - reasoning - audio_out - image_out,
        reasoning=reasoning,
        audio_in=audio_in,
        audio_out=audio_out,
        image_in=image_in,
        image_out=image_out,
    )
    return usage, counts.doubtful


def cost_of(
    usage: Usage, rows: Iterable[PriceRow], service_tier: str = "", variant: str = "", markup: int = UNCHANGED
) -> Cost:
    """Return what ``usage`` costs at ``rows``, the prices of one model at one moment, times ``markup`` (millionths).

    The longest tier that the whole prompt passes prices the whole call, as providers bill it. A service tier's own
    rows go before the standard ones, component by component, and among these the nearest ``variant``. Each
    component's amount is rounded once, the markup inside.
    """
    prices = _applicable(rows, usage.prompt_tokens, service_tier, variants(variant))
    parts = []
    total: int | None = 0
    for component, quantity in zip(usage._fields, usage, strict=True):
        if quantity == 0:
            continue
        price = _price_of(component, prices)
        if price is None and component == "request":
            continue
        atoms = None if price is None else _amount(component, quantity, price, markup)
        parts.append(Part(component, quantity, price, atoms))
        total = None if total is None or atoms is None else total + atoms
    return Cost(total, tuple(parts))


def costs_of(
    usage: Usage, rows: Sequence[PriceRow], service_tier: str, variant: str, markup: int
) -> tuple[int | None, int | None]:
    """Return what is charged, and what the provider charges, in atoms; None where a price is missing."""
    charged = cost_of(usage, rows, service_tier, variant, markup).atoms
    if markup == UNCHANGED:
        return charged, charged
    return charged, cost_of(usage, rows, service_tier, variant).atoms


def variant_of(size: object, quality: object) -> str:
    """Return what a price calls an image of this size and quality; what is not said is left out."""
    said = (word.strip().lower() for word in (size, quality) if isinstance(word, str))
    return SEPARATOR.join(word for word in said if word and word != "auto")[:64]


def variants(variant: str) -> tuple[str, ...]:
    """Return the variants whose price fits a call of ``variant``, the nearest last: any, quality, size, both."""
    if not variant:
        return ("",)
    size, separator, quality = variant.partition(SEPARATOR)
    return ("", quality, size, variant) if separator else ("", variant)


def _applicable(
    rows: Iterable[PriceRow], prompt_tokens: int, service_tier: str, fitting: tuple[str, ...]
) -> dict[str, PriceRow]:
    best: dict[str, PriceRow] = {}
    ranks: dict[str, tuple[str, int, int]] = {}
    for row in rows:
        if row.service_tier not in ("", service_tier) or (row.above_tokens and row.above_tokens >= prompt_tokens):
            continue
        if row.variant and row.variant not in fitting:
            continue
        rank = (row.service_tier, fitting.index(row.variant) if row.variant else 0, row.above_tokens)
        if row.component not in best or rank > ranks[row.component]:
            best[row.component], ranks[row.component] = row, rank
    return best


def _price_of(component: str, prices: dict[str, PriceRow]) -> PriceRow | None:
    while component not in prices:
        if component not in DEFAULTS:
            return None
        component = DEFAULTS[component]
    return prices[component]


def _amount(component: str, quantity: int, price: PriceRow, markup: int) -> int:
    per = UNITS[price.unit] * (MILLISECONDS if component == "second" else 1)
    return min(divide_half_even(quantity * price.amount_atoms * markup, per * UNCHANGED), CEILING)


def divide_half_even(number: int, by: int) -> int:
    """Return ``number / by`` rounded to whole, ties to even; both not negative."""
    whole, rest = divmod(number, by)
    return whole + (rest * 2 > by or (rest * 2 == by and whole % 2 == 1))


class _Counts:
    """Reads counts out of an upstream's usage and remembers whether one was doubtful."""

    def __init__(self, reported: dict[str, Any]) -> None:
        self.reported = reported
        self.doubtful = False

    def doubt(self, when: bool) -> None:
        self.doubtful = self.doubtful or when

    def part(self, *names: str) -> dict[str, Any]:
        """Return the first of ``names`` that is given."""
        value = next((self.reported[name] for name in names if self.reported.get(name) is not None), None)
        if isinstance(value, dict):
            return value
        self.doubt(value is not None)
        return {}

    def read(self, source: dict[str, Any], *names: str) -> int:
        """Return the first of ``names`` that is given."""
        for name in names:
            value = source.get(name)
            if value is not None:
                return value if type(value) is int and 0 <= value <= MOST else self._repaired(value)
        return 0

    def within(self, whole: int, *parts: int) -> list[int]:
        """Return ``parts`` cut, in their order, to what ``whole`` holds."""
        cut = []
        for part in parts:
            self.doubt(part > whole)
            cut.append(min(part, whole))
            whole -= cut[-1]
        return cut

    def left_of(self, whole: int, left: int, part: int) -> int:
        """Return what of ``part`` is in no other class: which of a picture's tokens were cached, nobody tells."""
        self.doubt(part > whole)
        return min(part, left)

    def _repaired(self, value: object) -> int:
        """Return the nearest count to something that is none."""
        self.doubtful = True
        try:
            return max(0, min(int(float(value)), MOST))  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return 0
