"""JSON schemas as Claude takes them for an answer that has to fit one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.answers import written

# What is refused in a schema: said in words instead, in its description.
IN_WORDS = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
        "minItems", "maxItems", "uniqueItems", "contains", "minProperties", "maxProperties", "patternProperties",
        "propertyNames", "not",
    }
)  # fmt: skip
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
# What stands below these are schemas by names of the caller's own.
NAMED = ("properties", "$defs", "definitions")
RENAMED: Mapping[str, str] = {"oneOf": "anyOf"}
VALUES = ("enum", "const", "required", "default", "examples")


def schema(value: Any) -> Any:
    """Return a JSON schema in the words that are taken; objects have no properties but their own."""
    if isinstance(value, list):
        return [schema(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    told = {name: value[name] for name in value if _is_told(name, value[name])}
    kept = {RENAMED.get(name, name): _inside(name, each) for name, each in value.items() if name not in told}
    if told:
        kept["description"] = "\n".join(filter(None, (str(kept.get("description") or ""), written(told))))
    return {**kept, "additionalProperties": False} if _is_object(kept) else kept


def _is_told(name: str, value: Any) -> bool:
    return name in IN_WORDS or (name == "format" and value not in FORMATS)


def _is_object(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in value


def _inside(name: str, value: Any) -> Any:
    if name in NAMED and isinstance(value, Mapping):
        return {key: schema(each) for key, each in value.items()}
    return value if name in VALUES else schema(value)
