"""The JSON Schema of each check of a body and its fields, bounds read from the check itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import getclosurevars

from gateway import edits, fieldchecks, validation
from gateway.fieldchecks import Check
from gateway.openapi.schemas import (
    BINARY,
    FLAG,
    OBJECT,
    TEXT,
    Schema,
    always,
    array,
    either,
    number,
    or_null,
    record,
    whole,
    words,
)

FILLED: Schema = {"type": "string", "pattern": r"\S"}
TOKENS: Schema = array(whole(0), minItems=1)


def schema_of(check: Check) -> Schema:
    """Return what ``check`` lets pass. Raises ``KeyError`` for one that nobody described."""
    if check in PLAIN:
        return PLAIN[check]
    factory = check.__qualname__.partition(".")[0]
    return FACTORIES[f"{check.__module__}.{factory}"](**getclosurevars(check).nonlocals)


def body_of(operation: str) -> Schema:
    """Return the fields of a request that are checked; any other may be there and is passed on."""
    required, fields = validation.OPERATIONS[operation]
    return body(fields, required)


def body(fields: Mapping[str, Check], required: Collection[str] = (), **by_hand: Schema) -> Schema:
    """Return an object of checked ``fields``; ``by_hand`` are the schemas of those that tell nothing of themselves."""
    schemas = {name: by_hand[name] if name in by_hand else schema_of(check) for name, check in fields.items()}
    return record(
        {name: schemas[name] for name in required},
        {name: or_null(schema) for name, schema in schemas.items() if name not in required},
    )


def _objects(low: int = 0, high: int | None = None) -> Schema:
    bounds = {"minItems": low, "maxItems": high}
    return array(OBJECT) | {name: bound for name, bound in bounds.items() if bound}


def _one_of(allowed: tuple[str, ...]) -> Schema:
    return words(*allowed)


def _several(allowed: tuple[str, ...]) -> Schema:
    return array(words(*allowed))


def _uploads(most: int) -> Schema:
    """A part of a form that has a file; a JSON body has none."""
    return BINARY if most == 1 else either(BINARY, array(BINARY, minItems=1, maxItems=most))


def _within(known: Mapping[str, Check]) -> Schema:
    return body(known)


def _refused(why: str) -> Schema:
    return {"type": "null", "description": why}


MESSAGE: Schema = {
    **record(
        {"role": words(*sorted(validation.ROLES))},
        {
            "content": either(
                TEXT, array(OBJECT), {"type": "null"}, text="Text, or parts: text, images, audio, files."
            ),
            "tool_calls": either(array(OBJECT), {"type": "null"}, text="Of an assistant: the tools it wants called."),
            "tool_call_id": {"description": "Of a tool: which call this is the result of."},
        },
    ),
    "if": {"properties": {"role": {"enum": ["assistant", "function"]}}},
    "else": {"properties": {"content": {"not": {"type": "null"}}}, "required": ["content"]},
}
TEXT_OR_TOKENS = either(
    TEXT, array(TEXT, minItems=1), TOKENS, array(TOKENS, minItems=1),
    text="A text, several texts, the ids of tokens, or several arrays of those.",
)  # fmt: skip
EMBEDDING_INPUT = either(
    {"type": "string", "minLength": 1},
    array({"type": "string", "minLength": 1}, minItems=1, maxItems=validation.MAX_INPUTS),
    TOKENS,
    array(TOKENS, minItems=1, maxItems=validation.MAX_INPUTS),
    text="A text, several texts, the ids of tokens, or several arrays of those.",
)

MODERATED_PART = either(
    record({"type": always("text"), "text": TEXT}),
    record({"type": always("image_url"), "image_url": record({"url": TEXT})}),
)
MODERATED = either(
    TEXT,
    array(TEXT, minItems=1, maxItems=validation.MAX_INPUTS),
    array(MODERATED_PART, minItems=1, maxItems=validation.MAX_INPUTS),
    text="A text, several texts, or the parts of one: text and pictures.",
)
DOCUMENTS = array(either(TEXT, record({"text": TEXT})), minItems=1, maxItems=validation.MAX_DOCUMENTS)
IMAGE_LINK = either(
    record(
        {"image_url": {"type": "string", "pattern": f"^({'|'.join(validation.LINKS)})"}}, {"file_id": {"type": "null"}}
    ),
    record({"file_id": FILLED}, {"image_url": {"type": "null"}}),
)

PLAIN: dict[Check, Schema] = {
    fieldchecks.string: TEXT,
    fieldchecks.filled: FILLED,
    fieldchecks.boolean: FLAG,
    fieldchecks.mapping: OBJECT,
    validation.messages: array(MESSAGE, minItems=1),
    validation.stop: either(TEXT, array(TEXT)),
    validation.choice: either(TEXT, OBJECT),
    validation.logit_bias: {"type": "object", "additionalProperties": number(-100, 100)},
    validation.stream_options: record({}, {"include_usage": or_null(FLAG), "include_obfuscation": or_null(FLAG)}),
    validation.text_or_tokens: TEXT_OR_TOKENS,
    validation.embedding_input: EMBEDDING_INPUT,
    validation.token_ids: array(whole(0)),
    validation.moderated: MODERATED,
    edits.text: either(TEXT, array(TEXT, minItems=1, maxItems=1)),
    validation.documents: DOCUMENTS,
    # some engines let a $ stand before a last line break
    validation.sides: {"type": "string", "pattern": rf"^(|auto|{validation.SIDES.pattern})$(?!\n)"},
    validation.upload_or_link: IMAGE_LINK,
    validation.image_links: array(IMAGE_LINK, minItems=1, maxItems=16),
}
FACTORIES: dict[str, Callable[..., Schema]] = {
    "gateway.fieldchecks.integer": whole,
    "gateway.fieldchecks.number": number,
    "gateway.fieldchecks.objects": _objects,
    "gateway.fieldchecks.one_of": _one_of,
    "gateway.fieldchecks.several": _several,
    "gateway.validation.uploads": _uploads,
    "gateway.responses.fields._within": _within,
    "gateway.responses.fields._refused": _refused,
}
