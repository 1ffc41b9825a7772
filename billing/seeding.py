"""What genai-prices says things cost, as far as our rows can say it: first prices, and those compared later.

Only the process that starts Tollgate and the command import this module: the library's tables weigh 20 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from typing import NamedTuple

from genai_prices import UpdatePrices
from genai_prices import types as genai
from genai_prices.data import providers
from httpx2 import HTTPError

from billing import pricelists, proposals
from billing.pricing import DEFAULTS
from billing.proposals import Amount, Stated, Window
from billing.seeding_names import Names

OWN = ("genai-prices",)
SOURCE = f"{OWN[0]} {version('genai-prices')}"
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
FINEST = Decimal(1).scaleb(-10)

# genai-prices' key -> our component, our unit, and how many of our unit its amount is for
COMPONENTS = {
    "input_mtok": ("input", "million", 1),
    "cache_read_mtok": ("cached_input", "million", 1),
    "cache_write_mtok": ("cache_write", "million", 1),
    "cache_write_1h_mtok": ("cache_write_1h", "million", 1),
    "output_mtok": ("output", "million", 1),
    "output_reasoning_mtok": ("reasoning", "million", 1),
    "input_audio_mtok": ("audio_in", "million", 1),
    "output_audio_mtok": ("audio_out", "million", 1),
    "input_image_mtok": ("image_in", "million", 1),
    "output_image_mtok": ("image_out", "million", 1),
    "input_mchars": ("character", "million", 1),
    "audio_hours": ("second", "one", 3600),
    "input_audio_hours": ("second", "one", 3600),
    "requests_kcount": ("request", "one", 1000),
}
# Fees for tools of other endpoints, and a split of cached tokens that no usage reports: tokens stay right without.
BESIDE = {"web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok", "cache_image_read_mtok"}
# Whose answers tell which of their tokens are pictures, where these cost something else.
TELLING = {"openai", "azure", "google"}
# our service tier -> genai-prices' words for it; anything else there is for requests that Tollgate does not send
TIERS = {
    "": {},
    "default": {"service_tier": "default"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast"},
    "batch": {"processing": "batch"},
}


class Inexact(Exception):
    """A model's price that our rows cannot say."""


class Key(NamedTuple):
    component: str
    above_tokens: int
    service_tier: str


class Change(NamedTuple):
    since: datetime
    key: Key
    amount: Amount


def seed(now: datetime) -> int:
    """Insert the prices of models that have none, in force at ``now`` or later; return how many rows. Edits none.

    Models whose prices or names cannot be expressed exactly are left out, and so stay visibly unpriced.
    """
    proposal = proposals.propose(stated(now), pricelists.present([each.id for each in providers]), now, OWN)
    return pricelists.insert((change for change in proposal.changes if change.kind == proposals.NEW), SOURCE)


def stated(now: datetime, of: Iterable[genai.Provider] = providers) -> Iterator[Stated]:
    """Yield the prices in force at ``now`` and those to come."""
    for provider in of:
        for names, changes in _named(provider):
            for name in names:
                yield from (_stated_as(provider.id, name, change) for change in _from(now, changes))


def latest() -> Iterable[genai.Provider]:
    """Return today's data of genai-prices' site. Raises ``OSError`` where it cannot be had."""
    try:
        snapshot = UpdatePrices().fetch()
    except (HTTPError, ValueError) as error:
        raise OSError(f"the price data cannot be fetched: {error}") from error
    if snapshot is None:
        raise OSError("the price data cannot be fetched")
    return snapshot.providers


def window_of(book: str, model: str, of: Iterable[genai.Provider] = providers) -> Window | None:
    """Return how long the prompts of a model may be, None where that is not known."""
    provider = next((each for each in of if each.id == book), None)
    found = provider.find_model(model.lower()) if provider else None
    return Window(found.context_window, None) if found and found.context_window else None


def _stated_as(provider: str, name: str, change: Change) -> Stated:
    since, key, amount = change
    return Stated(proposals.Key(provider, name, *key), since, amount)


def _named(provider: genai.Provider) -> Iterator[tuple[list[str], list[Change]]]:
    """Give each priced model its names and the changes of its prices."""
    names = Names()
    for model in provider.models:
        try:
            changes = _changes(model)
            _check_told(provider.id, changes)
        except Inexact:
            names.give(model, is_priced=False)
        else:
            yield names.give(model, is_priced=True), changes


def _check_told(provider: str, changes: list[Change]) -> None:
    """Raise ``Inexact`` where pictures would be counted with words."""
    if provider not in TELLING and any(change.key.component == "image_out" for change in changes):
        raise Inexact("image_out")


def _from(now: datetime, changes: list[Change]) -> Iterator[Change]:
    newest = {change.key: change.since for change in changes if change.since <= now}
    return (change for change in changes if change.since >= newest.get(change.key, EPOCH))


def _changes(model: genai.ModelInfo) -> list[Change]:
    """Return the changes of every price by date. Raises ``Inexact``."""
    changes: list[Change] = []
    in_force: dict[Key, Amount] = {}
    for since in _dates(model):
        for key, amount in _stated(model, since, in_force).items():
            if in_force.get(key) != amount:
                in_force[key] = amount
                changes.append(Change(since, key, amount))
    return changes


def _dates(model: genai.ModelInfo) -> list[datetime]:
    conditions = [] if isinstance(model.prices, genai.ModelPrice) else [price.constraint for price in model.prices]
    conditions += [variant.constraint for variant in model.price_variants or ()]
    if any(isinstance(condition, genai.TimeOfDateConstraint) for condition in conditions):
        raise Inexact(model.id)
    starts = {condition.start_date for condition in conditions if condition is not None}
    return sorted({EPOCH, *(datetime.combine(start, time.min, UTC) for start in starts)})


def _stated(model: genai.ModelInfo, at: datetime, in_force: dict[Key, Amount]) -> dict[Key, Amount]:
    """Return every price at a moment, those spelled out that end then: a row of ours only ends when a newer begins."""
    stated: dict[Key, Amount] = {}
    for tier, context in TIERS.items():
        for key, amount in _amounts(model.get_prices(at, context), tier).items():
            standard = key._replace(service_tier="")
            if tier == "" or key in in_force or stated.get(standard) != amount:
                stated[key] = amount
    for key in sorted(in_force.keys() - stated.keys()):
        stated[key] = _instead(key, stated)
    return stated


def _instead(key: Key, stated: dict[Key, Amount]) -> Amount:
    """Return what the missing ``key`` costs by the rules of pricing: the base tier's price, else the default's."""
    base = key._replace(above_tokens=0)
    default = base._replace(component=DEFAULTS.get(key.component, ""))
    for candidate in (base, default, default._replace(service_tier="")):
        if candidate in stated:
            return stated[candidate]
    raise Inexact(key.component)


def _amounts(prices: genai.ModelPrice, tier: str) -> dict[Key, Amount]:
    amounts: dict[Key, Amount] = {}
    for name, price in vars(prices).items():
        if price is None or name in BESIDE:
            continue
        if name not in COMPONENTS:
            raise Inexact(name)
        component, unit, per = COMPONENTS[name]
        steps = {0: price} if isinstance(price, Decimal) else {0: price.base, **{t.start: t.price for t in price.tiers}}
        for above, usd in steps.items():
            amounts[Key(component, above, tier)] = Amount(_exact(usd, per), unit)
    return amounts


def _exact(usd: Decimal, per: int) -> Decimal:
    """Return the price of one unit. The library's float noise beyond 10^-10 USD per million is no loss of an atom."""
    amount = (usd / per).quantize(FINEST, ROUND_HALF_EVEN)
    if per != 1 and amount * per != usd:
        raise Inexact(f"{usd} / {per}")
    return amount
