"""LiteLLM's config.yaml as our file: providers, routes and prices. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from billing import litellm_fields
from gateway.litellm import words
from gateway.litellm.leftovers import Leftovers
from gateway.litellm.upstreams import TAKEN, UnknownProvider, upstream_of

# facts about a model that are taken, or that its route has by itself
INFO = frozenset({"id", "mode", "base_model", "max_input_tokens", "max_output_tokens", "max_tokens", "db_model",
                  "litellm_provider", "key"})  # fmt: skip
SETTINGS = ("litellm_settings", "router_settings", "general_settings")


class Carried(NamedTuple):
    """``document`` is what ``tollgate apply`` takes."""

    document: dict[str, Any]
    leftovers: Leftovers


class NotLiteLLM(ValueError):
    """A file without a model_list."""


def carried(config: Mapping[str, Any]) -> Carried:
    """Return the file in our words. Raises ``NotLiteLLM``."""
    if not isinstance(config.get("model_list"), list):
        raise NotLiteLLM("it has no model_list: is it LiteLLM's config.yaml?")
    reading = _Reading()
    for position, entry in enumerate(config["model_list"]):
        reading.take(entry, f"model_list[{position}]")
    _take_settings(config, reading)
    reading.leftovers.note_rest("", dict(config), {"model_list", *SETTINGS})
    return Carried(reading.document(), reading.leftovers)


class _Reading:
    """What was taken so far."""

    def __init__(self) -> None:
        self.leftovers = Leftovers()
        self.routes: dict[str, dict[str, Any]] = {}
        self.prices: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._providers: dict[str, dict[str, Any]] = {}

    def document(self) -> dict[str, Any]:
        prices = [price for entries in self.prices.values() for price in entries]
        return {
            "providers": [{"name": name, **entry} for name, entry in self._providers.items()],
            "routes": list(self.routes.values()),
            **({"prices": prices} if prices else {}),
        }

    def take(self, entry: Any, place: str) -> None:
        """Take one entry of model_list; several of one name are one route."""
        params = entry.get("litellm_params") if isinstance(entry, dict) else None
        if not isinstance(params, dict) or not entry.get("model_name"):
            self.leftovers.note(place, "is no model: it needs model_name and litellm_params")
            return
        try:
            upstream = upstream_of(params, f"{place}.litellm_params", self.leftovers)
        except UnknownProvider as unknown:
            self.leftovers.note(f"{place}.litellm_params.model", f"there is no adapter for {unknown}")
            return
        provider = self._provider(upstream.provider)
        info = entry.get("model_info") if isinstance(entry.get("model_info"), dict) else {}
        target = {"provider": provider, **upstream.target, **_windows(info)}
        route = self.routes.setdefault(entry["model_name"], {"model": entry["model_name"], "targets": []})
        route["targets"].append(target)
        retries = params.get("num_retries", params.get("max_retries"))
        if retries is not None:
            route["retries"] = max(int(retries), route.get("retries", 0))
        self._take_prices({**info, **params}, (provider, upstream.model), place)
        costs = {name for name in (*params, *info) if litellm_fields.COST.search(name)}
        self.leftovers.note_rest(f"{place}.litellm_params", params, TAKEN | costs)
        self.leftovers.note_rest(f"{place}.model_info", info, INFO | costs)
        self.leftovers.note_rest(place, entry, {"model_name", "litellm_params", "model_info"})

    def _provider(self, entry: dict[str, Any]) -> str:
        """Return the name of this very account, which may have been met before."""
        for name, known in self._providers.items():
            if known == entry:
                return name
        same = sum(known["adapter"] == entry["adapter"] for known in self._providers.values())
        name = f"{entry['adapter']}-{same + 1}" if same else str(entry["adapter"])
        self._providers[name] = entry
        return name

    def _take_prices(self, info: dict[str, Any], key: tuple[str, str], place: str) -> None:
        """Take the prices that the file states itself; others are in the price list that the gateway comes with."""
        beside: Counter[str] = Counter()
        try:
            stated = list(litellm_fields.prices_of(_exact(info), key[1], beside, partly=True))
        except (litellm_fields.Inexact, litellm_fields.NoAmount) as reason:
            self.leftovers.note(f"{place}.model_info", f"its prices cannot be said here: {reason}")
            return
        for name in beside:
            self.leftovers.note(f"{place}.model_info.{name}", "no usage is counted that it prices")
        if stated and any(price.amount.usd for price in stated):
            self.prices[key] = list(_entries(stated, key))


def _entries(stated: list[litellm_fields.Price], key: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Yield entries of ``prices:``, one for all that has the same conditions and unit."""
    groups: dict[tuple[int, str, str], dict[str, str]] = {}
    for price in stated:
        per = "" if price.amount.unit == "million" else price.component
        groups.setdefault((price.above_tokens, price.service_tier, per), {})[price.component] = str(price.amount.usd)
    for (above, tier, per), amounts in groups.items():
        conditions = {"above_tokens": above, "service_tier": tier, "per": per}
        named = {name: value for name, value in conditions.items() if value}
        yield {"provider": key[0], "upstream_model": key[1], **named, **amounts}


def _exact(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with their numbers as the file's digits say them, not as floats add."""
    return {name: _decimal(value) if litellm_fields.COST.search(name) else value for name, value in info.items()}


def _decimal(value: Any) -> Any:
    try:
        return Decimal(str(value)) if isinstance(value, float | str) else value
    except InvalidOperation:
        return value


def _windows(info: Mapping[str, Any]) -> dict[str, int]:
    """Return how much a target reads and writes at most, where the file says so."""
    found = {"context_window": info.get("max_input_tokens"), "max_output": info.get("max_output_tokens")}
    return {name: value for name, value in found.items() if isinstance(value, int) and value > 0}


def _take_settings(config: Mapping[str, Any], reading: _Reading) -> None:
    sections = {name: config[name] for name in SETTINGS if isinstance(config.get(name), dict)}
    for section, given in sections.items():
        taken = {name for name in given if f"{section}.{name}" in words.ITS_OWN}
        for name, value in given.items():
            if name in TAKES and value is not None:
                TAKES[name](reading, value, f"{section}.{name}")
                taken.add(name)
        reading.leftovers.note_rest(section, given, taken)


def _take_fallbacks(reading: _Reading, value: Any, place: str) -> None:
    ours = words.FALLBACKS[place.rpartition(".")[2]]
    for entry in value if isinstance(value, list) else ():
        for model, others in entry.items() if isinstance(entry, dict) else ():
            names = [other for other in others if isinstance(other, str)] if isinstance(others, list) else []
            known = [name for name in names if name in reading.routes]
            for name in set(map(str, others if isinstance(others, list) else [others])) - set(known):
                reading.leftovers.note(place, f"the fallback {name!r} of {model!r} is no model of this file")
            if model in reading.routes and known:
                reading.routes[model][ours] = known
            elif model not in reading.routes:
                reading.leftovers.note(place, f"{model!r} is no model of this file")


def _take_default_fallbacks(reading: _Reading, value: Any, place: str) -> None:
    known = [name for name in value if name in reading.routes] if isinstance(value, list) else []
    for model, route in reading.routes.items():
        if others := [name for name in known if name != model]:
            route.setdefault("fallbacks", others)
    for name in set(map(str, value if isinstance(value, list) else [value])) - set(known):
        reading.leftovers.note(place, f"{name!r} is no model of this file")


def _take_aliases(reading: _Reading, value: Any, place: str) -> None:
    for alias, model in value.items() if isinstance(value, dict) else ():
        name = model.get("model") if isinstance(model, dict) else model
        if name in reading.routes and alias not in reading.routes:
            reading.routes[name].setdefault("aliases", []).append(alias)
        else:
            reading.leftovers.note(f"{place}.{alias}", f"{name!r} is no model of this file, or the alias is one")


def _take_strategy(reading: _Reading, value: Any, place: str) -> None:
    strategy = words.STRATEGIES.get(str(value))
    if strategy is None:
        reading.leftovers.note(place, f"there is no strategy like {value!r}: targets are tried in their order")
        return
    if str(value).startswith("usage-based"):
        reading.leftovers.note(
            place, "is least_busy here: the target with the fewest open requests, not the fewest tokens"
        )
    for route in reading.routes.values():
        if len(route["targets"]) > 1:
            route["strategy"] = strategy


def _take_retries(reading: _Reading, value: Any, place: str) -> None:
    for route in reading.routes.values():
        route.setdefault("retries", min(int(value), 10))


def _take_timeout(reading: _Reading, value: Any, place: str) -> None:
    for route in reading.routes.values():
        for target in route["targets"]:
            target.setdefault("timeout", value)


def _take_cooldown(reading: _Reading, value: Any, place: str) -> None:
    name = place.rpartition(".")[2]
    if name == "cooldown_time":
        for route in reading.routes.values():
            route.setdefault("cooldown", {})["seconds"] = value
    else:
        reading.leftovers.note(
            place, "a target cools by its share of failures (routes: cooldown:), not by their number"
        )


TAKES = {
    **dict.fromkeys(words.FALLBACKS, _take_fallbacks),
    "default_fallbacks": _take_default_fallbacks,
    "model_group_alias": _take_aliases,
    "routing_strategy": _take_strategy,
    "num_retries": _take_retries,
    "timeout": _take_timeout,
    "request_timeout": _take_timeout,
    "cooldown_time": _take_cooldown,
    "allowed_fails": _take_cooldown,
}
