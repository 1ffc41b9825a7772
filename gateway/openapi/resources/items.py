"""What responses and conversations are made of: messages, calls of tools, their results, thoughts."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.openapi.checks import body
from gateway.openapi.operation import Operation
from gateway.openapi.schemas import OBJECT, TEXT, Schema, always, array, either, or_null, page, record, ref, said, words
from gateway.responses import inputs

TAGS: dict[str, str] = {}
OPERATIONS: dict[str, Operation] = {}

ID = {"id": said(TEXT, "Made here where none is given."), "status": or_null(TEXT)}


def _content(*kinds: str) -> Schema:
    return either(TEXT, array(ref("ContentPart")), text=f"Text, or parts: {', '.join(kinds)}.")


def _typed(kind: str, schema: Schema, *, may_be_left_out: bool = False) -> Schema:
    """Return ``schema`` with its type as its first property."""
    required: Sequence[str] = schema.get("required", ())
    properties = {"type": always(kind), **ID, **schema["properties"]}
    return {**schema, "properties": properties, "required": [*([] if may_be_left_out else ["type"]), *required]}


def _part(kind: str) -> Schema:
    sources, fields = inputs.PARTS[kind]
    sound = record({"data": TEXT, "format": TEXT})
    schema = body(
        fields, sources if len(sources) == 1 else (), **({"input_audio": sound} if "input_audio" in fields else {})
    )
    return _typed(kind, schema)


def _item(kind: str) -> Schema:
    required, fields = inputs.KINDS[kind]
    texts = {name: _content() for name in ("output", "summary", "content") if name in fields}
    schema = body(fields, [name for name in required if name in fields], **texts)
    if kind == "message":
        schema["properties"]["content"] = _content(*inputs.GIVEN)
        schema["required"].append("content")
    return _typed(kind, schema, may_be_left_out=kind in ("message", "item_reference"))


OTHER = record({"type": {**TEXT, "not": {"enum": list(inputs.KINDS)}}}, text="Of other kinds: passed on if possible.")
MESSAGE = record(
    {
        "type": always("message"),
        "id": TEXT,
        "role": TEXT,
        "status": TEXT,
        "content": array(record({"type": words(*inputs.PARTS)}, {"text": TEXT, "annotations": array(OBJECT)})),
    }
)
CALL = record(
    {"type": always("function_call"), "call_id": TEXT, "name": TEXT, "arguments": said(TEXT, "JSON, as text.")},
    {"id": TEXT, "status": or_null(TEXT)},
)
REASONING = record(
    {"type": always("reasoning"), "id": TEXT, "summary": array(OBJECT)},
    {"content": or_null(array(OBJECT)), "encrypted_content": or_null(TEXT), "status": or_null(TEXT)},
)
NAMED = ["message", "function_call", "reasoning"]

SCHEMAS: dict[str, Schema] = {
    "ContentPart": either(*(_part(kind) for kind in inputs.PARTS)),
    "InputItem": either(*(_item(kind) for kind in inputs.KINDS), OTHER),
    "OutputItem": either(MESSAGE, CALL, REASONING, record({"type": {**TEXT, "not": {"enum": NAMED}}})),
    "ItemList": page(ref("OutputItem")),
}
