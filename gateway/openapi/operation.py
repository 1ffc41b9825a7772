"""One method of one path as OpenAPI writes it, from a short description. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.openapi import answers, headers
from gateway.openapi.schemas import TEXT, Schema, either, record

JSON = "application/json"
FORM = "multipart/form-data"
EVENTS = "text/event-stream"
STREAMED = "The answer, whole or as a stream of server-sent events: the schema there is of each event."
SEGMENT: Schema = {"type": "string", "pattern": "^[^/]+$"}

# how each scheme of a key is sent; all of them carry the same key. Who reads the page is asked for the last one
SCHEMES: dict[str, dict[str, Any]] = {
    **{
        name: {"type": "apiKey", "in": "header", "name": name, "description": f"An API key, where {whose} send it."}
        for name, whose in (
            ("x-api-key", "Anthropic's clients"),
            ("api-key", "Azure OpenAI's clients"),
            ("xi-api-key", "ElevenLabs' clients"),
        )
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer sk-tg-…`."},
}


@dataclass(frozen=True)
class Operation:
    """What is asked and what is answered. Schemas are of JSON bodies unless their name says otherwise.

    ``form``: the same request as multipart/form-data. ``media``: what else the answer may be, by content type.
    ``events``: what the data of each event of a stream says. ``also``: error statuses beside those of every such
    operation; ``otherwise``: what those say that are no errors. ``calls_model``: it is admitted, limited and billed.
    ``id``: its name, where its path makes one that another has.
    """

    tag: str
    summary: str
    text: str = ""
    body: Schema | None = None
    form: Schema | None = None
    example: Mapping[str, Any] | None = None
    path: Mapping[str, Schema] = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    answer: Schema | None = None
    media: Mapping[str, Schema] = field(default_factory=dict)
    events: Schema | None = None
    status: int = 200
    also: Sequence[int] = ()
    otherwise: Mapping[int, Schema] = field(default_factory=dict)
    headers: Sequence[str] = ()
    calls_model: bool = False
    id: str = ""


class Door(NamedTuple):
    """What the view says of itself: its path's parameters, the schemes of its keys, the dialect of its errors."""

    path: Sequence[str] = ()
    keys: Sequence[str] = ()
    dialect: str = "openai"
    body_is_optional: bool = False


def written(operation: Operation, id: str, door: Door) -> dict[str, Any]:
    """Return the operation object of ``id``."""
    found = {
        "operationId": id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.text,
        "parameters": _parameters(operation, door.path),
        "requestBody": _request(operation, door),
        "responses": {
            str(operation.status): _answer(operation, door),
            **_errors(operation, door),
            **_otherwise(operation),
        },
    }
    # no key at all is said by an empty list
    return {name: value for name, value in found.items() if value} | {"security": [{key: []} for key in door.keys]}


def _parameters(operation: Operation, path: Sequence[str]) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, **_described(operation.path.get(name, SEGMENT))} for name in path
    ]
    found += [{"name": name, "in": "query", **_described(schema)} for name, schema in operation.query.items()]
    return [*found, headers.TAGS] if operation.calls_model else found


def _described(schema: Schema) -> dict[str, Any]:
    """Return a parameter's fields: its description stands beside its schema."""
    rest = dict(schema)
    text = rest.pop("description", "")
    return {**({"description": text} if text else {}), "schema": rest}


def _request(operation: Operation, door: Door) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.body is not None:
        content[JSON] = {"schema": operation.body}
        if operation.example is not None:
            content[JSON]["example"] = operation.example
    if operation.form is not None:
        content[FORM] = {"schema": operation.form}
    return {"required": not door.body_is_optional, "content": content} if content else {}


def _answer(operation: Operation, door: Door) -> dict[str, Any]:
    content: dict[str, Any] = {} if operation.answer is None else {JSON: {"schema": operation.answer}}
    content |= {kind: {"schema": schema} for kind, schema in operation.media.items()}
    if operation.events is not None:
        content[EVENTS] = {"schema": _event(operation.events)}
    names = [*headers.IDS, *answers.ID_HEADERS.get(door.dialect, ()), *operation.headers]
    if operation.calls_model:
        names += [*headers.CALL, *headers.LIMITS]
    text = "The answer." if operation.events is None else STREAMED
    return {"description": text, "headers": headers.refs(names), "content": content}


def _event(data: Schema) -> Schema:
    """Return an event: its data is JSON, as text; some streams say at last that they are done."""
    told = {"type": "string", "contentMediaType": JSON, "contentSchema": data}
    return record({"data": either({"const": "[DONE]"}, told)}, {"event": TEXT})


def _errors(operation: Operation, door: Door) -> dict[str, Any]:
    statuses = set(operation.also)
    statuses |= set(answers.KEYED if door.keys else ())
    statuses |= set(answers.READING if operation.body or operation.form else ())
    statuses |= set(answers.CALLING if operation.calls_model else ())
    return answers.errors(door.dialect, statuses, of_upstream=operation.calls_model)


def _otherwise(operation: Operation) -> dict[str, Any]:
    return {
        str(status): {
            "description": answers.TEXTS[status],
            "headers": headers.refs(headers.IDS),
            "content": {JSON: {"schema": schema}},
        }
        for status, schema in operation.otherwise.items()
    }
