"""A value that fits a JSON schema: always the same one for the same schema. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 12
# Optional parts are given down to here, so that a schema that contains itself stays short.
OPTIONAL_DEPTH = 3
MAX_VALUES = 5000
FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


Maker = Callable[[Mapping[str, Any], "Scope", int], Any]


class Scope:
    """The whole schema, for its references, and how many values may still be made of it."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.left = MAX_VALUES


def example(schema: Any) -> Any:
    """Return a value that ``schema`` accepts; of one that no finite value fits, the beginning."""
    return _value(schema, Scope(schema if isinstance(schema, Mapping) else {}), 0)


def _value(schema: Any, scope: Scope, depth: int) -> Any:
    scope.left -= 1
    if not isinstance(schema, Mapping) or scope.left < 0 or depth > MAX_DEPTH:
        return "demo"
    schema = _resolved(schema, scope)
    for name in ("const", "default"):
        if name in schema and (name == "const" or not schema.get("enum")):
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            rest = {key: value for key, value in schema.items() if key != name}
            return _value(_merged(rest, _shallowest(schema[name], scope, depth)), scope, depth)
    kind = schema.get("type") or _implied(schema)
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    make: Maker = VALUES.get(str(kind), _text)
    return make(schema, scope, depth)


def _object(schema: Mapping[str, Any], scope: Scope, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = schema.get("required") or ()
    names = [name for name in properties if name in required or depth < OPTIONAL_DEPTH]
    found = {name: _value(properties[name], scope, depth + 1) for name in names}
    for name in required:
        found.setdefault(name, "demo")
    for position in range(_count(schema, "minProperties", 0) - len(found)):
        found[f"demo{position}"] = _value(schema.get("additionalProperties"), scope, depth + 1)
    return found


def _array(schema: Mapping[str, Any], scope: Scope, depth: int) -> list[Any]:
    first = [_value(item, scope, depth + 1) for item in schema.get("prefixItems") or ()]
    least = _count(schema, "minItems", 0 if first or depth >= OPTIONAL_DEPTH else 1)
    most = schema.get("maxItems")
    wanted = max(0, (least if most is None else min(least, int(most))) - len(first))
    items = schema.get("items", {"type": "string"})
    if not schema.get("uniqueItems"):
        return first + [_value(items, scope, depth + 1) for _ in range(wanted)]
    return first + _distinct(items, scope, depth, wanted)


def _distinct(items: Any, scope: Scope, depth: int, wanted: int) -> list[Any]:
    schema = _resolved(items, scope) if isinstance(items, Mapping) else {}
    if schema.get("enum"):
        return list(schema["enum"][:wanted])
    value = _value(items, scope, depth + 1)
    if isinstance(value, bool):
        return [value, not value][:wanted]
    if isinstance(value, int | float):
        step = schema.get("multipleOf", 1)
        return [value + position * step for position in range(wanted)]
    if isinstance(value, str):
        return [value if not position else f"{value}{position + 1}" for position in range(wanted)]
    return [value] if wanted else []


def _number(schema: Mapping[str, Any], scope: Scope, depth: int) -> float | int:
    whole = schema.get("type") == "integer" or "integer" in (schema.get("type") or ())
    low, high = _bounds(schema, 1 if whole else 1e-6)
    step = schema.get("multipleOf")
    value: float | int = 1
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    if step:
        value = -(-value // step) * step
        if high is not None and value > high:
            value -= step
    return -int(-value // 1) if whole else value


def _bounds(schema: Mapping[str, Any], step: float) -> tuple[float | None, float | None]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if isinstance(above, bool):
        above, low = (low, None) if above else (None, low)
    if isinstance(below, bool):
        below, high = (high, None) if below else (None, high)
    if above is not None:
        low = max(above + step, low) if low is not None else above + step
    if below is not None:
        high = min(below - step, high) if high is not None else below - step
    return low, high


def _text(schema: Mapping[str, Any], scope: Scope, depth: int) -> str:
    text = FORMATS.get(str(schema.get("format")), "demo")
    least, most = _count(schema, "minLength", 0), schema.get("maxLength")
    if len(text) < least:
        text = (text * (least // len(text) + 1))[:least]
    return text if most is None else text[: int(most)]


VALUES: dict[str, Maker] = {
    "object": _object,
    "array": _array,
    "integer": _number,
    "number": _number,
    "string": _text,
    "boolean": lambda schema, scope, depth: True,
    "null": lambda schema, scope, depth: None,
}


def _implied(schema: Mapping[str, Any]) -> str:
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"


def _resolved(schema: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    """Return ``schema`` with its ``$ref`` followed and its ``allOf`` folded in."""
    for _ in range(MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = _merged(rest, _found(reference, scope))
    parts = schema.get("allOf") or ()
    for part in parts:
        schema = _merged({k: v for k, v in schema.items() if k != "allOf"}, _resolved(part, scope))
    return schema


def _found(reference: str, scope: Scope) -> Mapping[str, Any]:
    place: Any = scope.root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            step = step.replace("~1", "/").replace("~0", "~")
            place = place.get(step) if isinstance(place, Mapping) else None
    return place if isinstance(place, Mapping) else {}


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**other, **one}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [*other["required"], *one["required"]]
    return merged


def _shallowest(options: list[Any], scope: Scope, depth: int) -> Mapping[str, Any]:
    """Return the first option, or deep down one that ends a recursion."""
    resolved = [_resolved(option, scope) for option in options if isinstance(option, Mapping)]
    plain = [
        option for option in resolved if option.get("type") not in ("object", "array") and "properties" not in option
    ]
    worded = [option for option in resolved if option.get("type") != "null"]
    if depth >= OPTIONAL_DEPTH and plain:
        return plain[-1]
    return (worded or resolved or [{}])[0]


MOST = 1_000


def _count(schema: Mapping[str, Any], name: str, default: int) -> int:
    """Return a schema's least number of something, cut to what a demonstration will make."""
    return min(int(schema.get(name, default)), MOST)
