"""Which files a search looks into, by their attributes: comparisons, and compounds of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from gateway.fieldchecks import Invalid, filled, mapping, one_of

Filter = Callable[[Mapping[str, Any]], bool]

DEEPEST, MOST = 8, 200
ORDERS = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
COMPARISONS = ("eq", "ne", *ORDERS, "in", "nin")
COMPOUNDS = ("and", "or")


def filter_of(said: Any, param: str = "filters") -> Filter | None:
    """Return what a file's attributes have to pass, None where nothing is said. Raises ``Invalid``."""
    return None if said is None else _Reader(param).read(said, param, 1)


class _Reader:
    """Reads one filter with all that stand in it, of which there may be only so many."""

    def __init__(self, param: str) -> None:
        self._param = param
        self._count = 0

    def read(self, said: Any, param: str, depth: int) -> Filter:
        self._count += 1
        if depth > DEEPEST or self._count > MOST:
            raise Invalid(
                f"Invalid value for '{self._param}': at most {MOST} filters, {DEEPEST} within each other.", self._param
            )
        mapping(said, param)
        kind = said.get("type", "eq")
        one_of(*COMPARISONS, *COMPOUNDS)(kind, f"{param}.type")
        return self._compound(kind, said, param, depth) if kind in COMPOUNDS else _comparison(kind, said, param)

    def _compound(self, kind: str, said: Mapping[str, Any], param: str, depth: int) -> Filter:
        given = said.get("filters")
        if not isinstance(given, list):
            raise Invalid(f"Invalid type for '{param}.filters': expected an array.", f"{param}.filters", "invalid_type")
        inner = [self.read(each, f"{param}.filters[{at}]", depth + 1) for at, each in enumerate(given)]
        decide = all if kind == "and" else any
        return lambda attributes: decide(passes(attributes) for passes in inner)


def _comparison(kind: str, said: Mapping[str, Any], param: str) -> Filter:
    filled(said.get("key"), f"{param}.key")
    key, value = str(said["key"]), said.get("value")
    if kind in ("in", "nin"):
        if not isinstance(value, list) or not all(_is_plain(each) for each in value):
            raise Invalid(f"Invalid type for '{param}.value': expected an array.", f"{param}.value", "invalid_type")
        return lambda attributes: any(_same(attributes.get(key), each) for each in value) is (kind == "in")
    if not _is_plain(value):
        raise Invalid(
            f"Invalid type for '{param}.value': expected a string, a number or a boolean.",
            f"{param}.value", "invalid_type",
        )  # fmt: skip
    if kind in ORDERS:
        return lambda attributes: _is_ordered(kind, attributes.get(key), value)
    return lambda attributes: _same(attributes.get(key), value) is (kind == "eq")


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; to Python true is 1, to a caller it is not."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _is_ordered(kind: str, one: Any, other: Any) -> bool:
    """Compare numbers with numbers and texts with texts; all else passes nothing."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None:
        return False
    return isinstance(one, str) is isinstance(other, str) and bool(ORDERS[kind](one, other))
