"""Checks of single fields of a request body: of which kind they are, how long, how large. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Check = Callable[[Any, str], None]


class Invalid(Exception):
    """A body that cannot be served: ``message`` for people, ``param`` is the JSON path, ``code`` OpenAI's."""

    def __init__(self, message: str, param: str | None = None, code: str | None = "invalid_value") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


def checked(body: Any, required: Sequence[str], fields: Mapping[str, Check]) -> dict[str, Any]:
    """Return ``body`` where it has what is ``required``, and each of ``fields`` that it has passes its check."""
    if not isinstance(body, dict):
        raise Invalid(f"The request body must be a JSON object, not {_kind(body)}.", code="invalid_type")
    for name in required:
        if body.get(name) is None:
            raise Invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name, value in body.items():
        check = fields.get(name)
        if check is not None and value is not None:
            check(value, name)
    return body


def _kind(value: Any) -> str:
    return KINDS.get(type(value), "something else")


KINDS = {
    dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "an integer", float: "a number",
    type(None): "null",
}  # fmt: skip


def wrong_type(param: str, expected: str, value: Any) -> Invalid:
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return Invalid(message, param, "invalid_type")


def string(value: Any, param: str) -> None:
    if not isinstance(value, str):
        raise wrong_type(param, "a string", value)


def filled(value: Any, param: str) -> None:
    string(value, param)
    if not value.strip():
        raise Invalid(f"Invalid value for '{param}': it is empty.", param)


def boolean(value: Any, param: str) -> None:
    if not isinstance(value, bool):
        raise wrong_type(param, "a boolean", value)


def mapping(value: Any, param: str) -> None:
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any, param: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(param, "an integer", value)
        _in_range(value, param, low, high)

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any, param: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(param, "a number", value)
        _in_range(value, param, low, high)

    return check


def _in_range(value: float, param: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise Invalid(f"Invalid value for '{param}': {value} is below the minimum of {low}.", param)
    if high is not None and value > high:
        raise Invalid(f"Invalid value for '{param}': {value} is above the maximum of {high}.", param)


def objects(low: int = 0, high: int | None = None) -> Check:
    def check(value: Any, param: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(param, "an array", value)
        if len(value) < low or (high is not None and len(value) > high):
            raise Invalid(f"Invalid length of '{param}': {len(value)} items.", param)
        for index, item in enumerate(value):
            mapping(item, f"{param}[{index}]")

    return check


def one_of(*allowed: str) -> Check:
    def check(value: Any, param: str) -> None:
        if value not in allowed:
            names = ", ".join(f"'{name}'" for name in allowed)
            raise Invalid(f"Invalid value for '{param}': expected one of {names}.", param)

    return check


def several(*allowed: str) -> Check:
    """An array of some of ``allowed``."""

    def check(value: Any, param: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(param, "an array", value)
        for index, item in enumerate(value):
            one_of(*allowed)(item, f"{param}[{index}]")

    return check
