"""JSON Schema in few words: what the descriptions of the API's objects are built from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
ANYTHING: Schema = {}
OBJECT: Schema = {"type": "object"}
SECONDS: Schema = {"type": "integer", "description": "Seconds since 1970."}
MOMENT: Schema = {"type": "string", "format": "date-time"}
USD: Schema = {"type": "string", "pattern": r"^-?\d+\.\d{10}$", "description": "US dollars with ten decimals."}
METADATA: Schema = {"type": "object", "description": "Up to 16 pairs of the caller's own."}
BINARY: Schema = {"type": "string", "format": "binary"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def record(always: Mapping[str, Schema], sometimes: Mapping[str, Schema] | None = None, text: str = "") -> Schema:
    """Return an object with the properties that are ``always`` there; others than those named may be there too."""
    schema: Schema = {"type": "object", "properties": {**always, **(sometimes or {})}}
    if always:
        schema["required"] = list(always)
    return said(schema, text)


def array(items: Schema, text: str = "", **bounds: int) -> Schema:
    return said({"type": "array", "items": items, **bounds}, text)


def mapping(values: Schema, text: str = "") -> Schema:
    return said({"type": "object", "additionalProperties": values}, text)


def either(*schemas: Schema, text: str = "") -> Schema:
    return said({"anyOf": list(schemas)}, text)


def or_null(schema: Schema) -> Schema:
    """Return ``schema`` for a value that may be null; its description stays outside."""
    kind = schema.get("type")
    if kind == "null":
        return schema
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def words(*values: str, text: str = "") -> Schema:
    return said({"type": "string", "enum": list(values)}, text)


def always(value: str | bool) -> Schema:
    return {"const": value}


def whole(low: int | None = None, high: int | None = None, text: str = "") -> Schema:
    return said(_bounded("integer", low, high), text)


def number(low: float | None = None, high: float | None = None, text: str = "") -> Schema:
    return said(_bounded("number", low, high), text)


def _bounded(kind: str, low: float | None, high: float | None) -> Schema:
    limits = {"minimum": low, "maximum": high}
    return {"type": kind, **{name: limit for name, limit in limits.items() if limit is not None}}


def said(schema: Schema, text: str) -> Schema:
    """Return ``schema`` with ``text`` as its description."""
    return {**schema, "description": text} if text else schema


def explained(schema: Schema, texts: Mapping[str, str], **more: Schema) -> Schema:
    """Return an object with ``more`` properties, each explained by its own description or by what ``texts`` say."""
    fields = {**schema["properties"], **more}
    told = {name: said(field, field.get("description") or texts.get(name, "")) for name, field in fields.items()}
    return {**schema, "properties": told}


def page(item: Schema) -> Schema:
    """Return a list as the API pages it: by the ids at its ends."""
    ends = {"first_id": or_null(TEXT), "last_id": or_null(TEXT)}
    return record({"object": always("list"), "data": array(item), **ends, "has_more": FLAG})


def listed(item: Schema) -> Schema:
    return record({"object": always("list"), "data": array(item)})


def deleted(kind: str) -> Schema:
    return record({"id": TEXT, "object": always(kind), "deleted": always(True)})


def paging(default: int, most: int, **filters: Schema) -> dict[str, Schema]:
    """Return the query of a list that is read page by page."""
    return {
        "limit": {"type": "integer", "minimum": 1, "maximum": most, "default": default},
        "order": {**words("asc", "desc", text="By creation."), "default": "desc"},
        "after": said(TEXT, "The id of the last item of the page before."),
        **filters,
    }
