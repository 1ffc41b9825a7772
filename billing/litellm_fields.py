"""What one entry of LiteLLM's price list says, field by field, in our words. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from billing.pricing import MOST_USD
from billing.proposals import Amount

FINEST = Decimal(1).scaleb(-10)
MILLION = 1_000_000

TOKENS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "input_cost_per_token_cache_hit": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_in",
    "output_cost_per_audio_token": "audio_out",
}
# in the modes in which the usage tells them from those of words
OF_PICTURES = {"input_cost_per_image_token": "image_in", "output_cost_per_image_token": "image_out"}
GROUPS = dict.fromkeys((*TOKENS.values(), *OF_PICTURES.values(), "cache_write_1h"), "tokens")
# priced once for each, in the modes in which that is what is counted
SPEECH, TRANSCRIPTION, IMAGES = {"audio_speech"}, {"audio_transcription"}, {"image_generation", "image_edit"}
SINGLE: dict[str, tuple[str, set[str] | None]] = {
    "input_cost_per_character": ("character", SPEECH),
    "input_cost_per_second": ("second", TRANSCRIPTION),
    "output_cost_per_second": ("second", TRANSCRIPTION),
    "input_cost_per_image": ("image", IMAGES),
    "output_cost_per_image": ("image", IMAGES),
    "input_cost_per_request": ("request", None),
    "input_cost_per_query": ("request", None),
}
PIXELS = {"input_cost_per_pixel", "output_cost_per_pixel"}
# tokens that our classes do not tell apart: no loss where they cost as much as those they are counted with
COUNTED_WITH = {
    "input_cost_per_image_token": "input_cost_per_token",
    "output_cost_per_image_token": "output_cost_per_token",
    "input_cost_per_video_token": "input_cost_per_token",
    "output_cost_per_video_token": "output_cost_per_token",
}
# fees of other services, and splits of cached tokens that no usage reports: tokens stay right without
BESIDE = re.compile(
    r"search_context_cost_per_query|web_search\w*|file_search_cost\w*|code_interpreter_cost\w*|computer_use_\w+|"
    r"vector_store_cost\w*|\w+_dbu_cost_per_token|cache_(read|creation)_input_(audio|image)_token_cost\w*"
)
COST = re.compile(r"cost|price|pricing")
SUFFIXED = re.compile(
    r"(?P<base>\w+?)(?P<hour>_above_1hr)?(?:_above_(?P<above>\d{1,6})k_tokens)?(?:_(?P<tier>priority|flex|batches))?"
)
SERVICE_TIERS = {None: "", "priority": "priority", "flex": "flex", "batches": "batch"}
# modes whose answers cost something wherever their prompts do
ANSWERING = {"chat", "completion", "responses"}

SIZE = re.compile(r"(\d{2,5})-x-(\d{2,5})")


class Price(NamedTuple):
    """What one field comes to in our words."""

    component: str
    above_tokens: int
    service_tier: str
    amount: Amount


class Inexact(Exception):
    """A model's price that our rows cannot say."""


class NoAmount(Exception):
    """A value where an amount should be."""


def prices_of(entry: Mapping[str, Any], name: str, beside: Counter[str], partly: bool) -> Iterator[Price]:
    """Yield the entry's prices; count what is set aside in ``beside``. Raises ``Inexact``, ``NoAmount``."""
    costs = {field: value for field, value in entry.items() if COST.search(field) and value is not None}
    groups: dict[str, list[Price]] = defaultdict(list)
    inexact: list[str] = []
    for field, value in costs.items():
        if BESIDE.fullmatch(field):
            beside[field] += 1
            continue
        try:
            price = _price(field, value, costs, str(entry.get("mode")), name)
        except Inexact as reason:
            inexact.append(str(reason))
        else:
            if price is not None:
                groups[GROUPS.get(price.component, price.component)].append(price)
    costing = {name for name, prices in groups.items() if any(price.amount.usd for price in prices)}
    inexact += _said_twice(groups, costing - {"request"})
    if inexact and not (partly and "tokens" in costing):
        raise Inexact(", ".join(inexact))
    chosen = {"tokens"} if inexact else costing or groups.keys()
    yield from (price for name, prices in groups.items() if name in chosen for price in prices)


def _said_twice(groups: Mapping[str, list[Price]], ways: set[str]) -> list[str]:
    """Say what is wrong where one use would be charged in two ways, or one way has two amounts."""
    problems = [f"it is priced by {' and by '.join(sorted(ways))}"] if len(ways) > 1 else []
    for prices in groups.values():
        amounts: dict[tuple[str, int, str], Amount] = {}
        for price in prices:
            if not amounts.setdefault(price[:3], price.amount).equals(price.amount):
                problems.append(f"{price.component} has two prices")
    return problems


def _price(field: str, value: Any, costs: Mapping[str, Any], mode: Any, name: str) -> Price | None:
    """Return what a field comes to, None where it costs nothing that we count. Raises ``Inexact``, ``NoAmount``."""
    parts = SUFFIXED.fullmatch(field)
    base, hour = (parts["base"], parts["hour"]) if parts else (field, None)
    above, tier = (int(parts["above"] or 0) * 1000, SERVICE_TIERS[parts["tier"]]) if parts else (0, "")
    if base in TOKENS and not (hour and TOKENS[base] != "cache_write"):
        component = "cache_write_1h" if hour else TOKENS[base]
        return Price(component, above, tier, _amount(_usd(field, value), "million", MILLION))
    if hour is None and base in OF_PICTURES and mode in IMAGES:
        return Price(OF_PICTURES[base], above, tier, _amount(_usd(field, value), "million", MILLION))
    if hour is None and base in SINGLE and not above:
        component, modes = SINGLE[base]
        usd = _usd(field, value)
        if modes is None or mode in modes:
            return _single(component, tier, usd)
        return _nothing(field, usd)
    if field in PIXELS and mode in IMAGES:
        return _by_pixels(name, _usd(field, value))
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Inexact(field)
    with_ = costs.get(field.replace(base, COUNTED_WITH[base])) if base in COUNTED_WITH else None
    return None if value == with_ else _nothing(field, Decimal(value))


def _single(component: str, tier: str, usd: Decimal) -> Price:
    """A price for each one; as one for a million where that alone can say it."""
    if component == "character" or usd != usd.quantize(FINEST):
        return Price(component, 0, tier, _amount(usd, "million", MILLION))
    return Price(component, 0, tier, _amount(usd, "one", 1))


def _by_pixels(name: str, usd: Decimal) -> Price | None:
    size = SIZE.search(name)
    if usd == 0:
        return None
    if size is None:
        raise Inexact("a price for each pixel, of an image whose size is not said")
    return Price("image", 0, "", _amount(usd * int(size[1]) * int(size[2]), "one", 1))


def _nothing(field: str, usd: Decimal) -> Price | None:
    """What we do not count costs nothing, or is not ours to say."""
    if usd:
        raise Inexact(field)
    return None


def _usd(field: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise NoAmount(f"{field} must be a number")
    usd = Decimal(value)
    if not 0 <= usd <= MOST_USD["million"]:
        raise NoAmount(f"{field} must be from 0 to {MOST_USD['million']:,}")
    return usd


def _amount(usd: Decimal, unit: str, per: int) -> Amount:
    """Return USD for the unit. Noise of the file's floats beyond 10^-10 USD of a million is no loss of an atom."""
    amount = (usd * per).quantize(FINEST, ROUND_HALF_EVEN)
    if amount > MOST_USD[unit]:
        raise NoAmount(f"{amount.normalize():f} USD for {unit} is more than {MOST_USD[unit]:,}")
    if usd and not amount:
        raise Inexact(f"{usd} USD is finer than our amounts")
    return Amount(amount, unit)


def check_that_it_costs(prices: list[Price], entry: Mapping[str, Any], free: bool) -> None:
    if not prices:
        raise Inexact("it has no price")
    if free:
        return
    if not any(price.amount.usd for price in prices):
        raise Inexact("every amount is 0: a free model is taken with --free")
    base = {price.component: price.amount.usd for price in prices if price[1:3] == (0, "")}
    if str(entry.get("mode")) in ANSWERING and any(base.values()) and 0 in (base.get("input"), base.get("output")):
        raise Inexact("its input or its output costs 0: it is taken with --free")
