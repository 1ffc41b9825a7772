"""Checks of what is kept here, with the bounds and the words of OpenAI's Assistants API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.fieldchecks import Check, Invalid, checked, mapping, string

MOST_PAIRS, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512


def request(body: Any, fields: Mapping[str, Check], required: Sequence[str] = ()) -> dict[str, Any]:
    """Return a request's body where it has what is ``required`` and nothing but ``fields``. Raises ``Invalid``."""
    known = checked(body, required, fields)
    _check_known(known, fields, "")
    return known


def record(fields: Mapping[str, Check], required: Sequence[str] = ()) -> Check:
    """An object within a body, with nothing but ``fields``; those that are null are as absent."""

    def check(value: Any, param: str) -> None:
        mapping(value, param)
        for name in required:
            if value.get(name) is None:
                path = f"{param}.{name}"
                raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
        _check_known(value, fields, f"{param}.")
        for name, item in value.items():
            if item is not None:
                fields[name](item, f"{param}.{name}")

    return check


def _check_known(value: Mapping[str, Any], fields: Mapping[str, Check], before: str) -> None:
    for name in value:
        if name not in fields:
            raise Invalid(f"Unknown parameter: '{before}{name:.64}'.", f"{before}{name:.64}", "unknown_parameter")


def text(most: int) -> Check:
    def check(value: Any, param: str) -> None:
        string(value, param)
        if len(value) > most:
            raise Invalid(
                f"Invalid '{param}': string too long. Expected a string with maximum length {most}, "
                f"but got a string with length {len(value)} instead.",
                param,
                "string_above_max_length",
            )

    return check


def items(item: Check, most: int | None = None, least: int = 0) -> Check:
    """An array whose every item passes ``item``."""

    def check(value: Any, param: str) -> None:
        if not isinstance(value, list):
            raise Invalid(f"Invalid type for '{param}': expected an array.", param, "invalid_type")
        if most is not None and len(value) > most:
            raise too_many(param, most, len(value))
        if len(value) < least:
            raise Invalid(
                f"Invalid '{param}': array too short. Expected an array with minimum length {least}, "
                f"but got an array with length {len(value)} instead.",
                param,
                "array_below_min_length",
            )
        for index, each in enumerate(value):
            item(each, f"{param}[{index}]")

    return check


def too_many(param: str, most: int, length: int) -> Invalid:
    return Invalid(
        f"Invalid '{param}': array too long. Expected an array with maximum length {most}, "
        f"but got an array with length {length} instead.",
        param,
        "array_above_max_length",
    )


def metadata(value: Any, param: str) -> None:
    mapping(value, param)
    if len(value) > MOST_PAIRS:
        raise Invalid(
            f"Invalid '{param}': too many properties. Expected an object with at most {MOST_PAIRS} properties, "
            f"but got an object with {len(value)} properties instead.",
            param,
            "object_above_max_properties",
        )
    for name, pair in value.items():
        if len(name) > LONGEST_NAME:
            raise Invalid(
                f"Invalid property name in '{param}': expected a string with maximum length {LONGEST_NAME}, "
                f"but got a string with length {len(name)} instead.",
                param,
                "property_name_above_max_length",
            )
        text(LONGEST_VALUE)(pair, f"{param}.{name}")
