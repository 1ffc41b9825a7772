"""What older clients ask: edits, models that stand in the path, the log of Ollama."""

from __future__ import annotations

from dataclasses import replace

from gateway import edits
from gateway.openapi.checks import body
from gateway.openapi.operation import Operation
from gateway.openapi.resources import audio, chat, embeddings, images
from gateway.openapi.schemas import BINARY, COUNT, OBJECT, SECONDS, TEXT, Schema, always, array, or_null, record, ref

TAGS = {"Older": "LocalAI's edits, the paths of OpenAI's engines and Azure's deployments, LiteLLM's view of a log."}

SCHEMAS: dict[str, Schema] = {
    "EditRequest": body(edits.FIELDS, edits.REQUIRED),
    "Edit": record(
        {
            "object": always("edit"),
            "created": SECONDS,
            "choices": array(record({"text": TEXT, "index": COUNT}, {"finish_reason": or_null(TEXT)})),
        },
        {"id": TEXT, "model": TEXT, "usage": OBJECT},
    ),
}

MODEL: Schema = {"type": "string", "description": "The model: it goes before the body's, and may have slashes in it."}
KNOWN = {**chat.OPERATIONS, **embeddings.OPERATIONS, **images.OPERATIONS, **audio.OPERATIONS}
ENGINES = ("chat/completions", "completions", "embeddings")
DEPLOYMENTS = (
    *ENGINES, "images/generations", "images/edits", "audio/speech", "audio/transcriptions", "audio/translations",
)  # fmt: skip


def _named(route: str) -> Operation:
    operation = KNOWN[f"POST /v1/{route}"]
    return replace(operation, tag="Older", path={**operation.path, "model": MODEL})


OPERATIONS = {
    "POST /v1/edits": Operation(
        "Older",
        "Edit a text",
        "Said to a chat model: the instruction as its system prompt, the text as the user's.",
        body=ref("EditRequest"),
        example={"model": "demo", "instruction": "Fix the spelling.", "input": "helo"},
        answer=ref("Edit"),
        calls_model=True,
    ),
    **{f"POST /v1/engines/{{model}}/{route}": _named(route) for route in ENGINES},
    **{f"POST /v1/openai/deployments/{{model}}/{route}": _named(route) for route in DEPLOYMENTS},
    "GET /ollama_logs": Operation(
        "Older",
        "The end of Ollama's log",
        "For an admin's key. Which file that is, and how much of it is shown, stands in the settings.",
        media={"application/octet-stream": BINARY},
        also=[404],
    ),
}
