"""The models that a key may use."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.schemas import FLAG, SECONDS, TEXT, Schema, always, array, or_null, record, ref, said

TAGS = {"Models": "What can be called."}

ID: Schema = {"type": "string", "description": "The public name; it may have slashes."}

SCHEMAS: dict[str, Schema] = {
    "Model": record(
        {
            "id": said(TEXT, "The public name; a family ends in `*`."),
            "object": always("model"),
            "created": SECONDS,
            "owned_by": TEXT,
        },
        {name: said(TEXT, "For Anthropic's clients.") for name in ("type", "display_name", "created_at", "lifecycle")},
    ),
    "ModelList": record(
        {"object": always("list"), "data": array(ref("Model"))},
        {"first_id": or_null(TEXT), "last_id": or_null(TEXT), "has_more": FLAG},
    ),
}

OPERATIONS = {
    "GET /v1/models": Operation(
        "Models", "List the models that the key may use", "Aliases included.", answer=ref("ModelList")
    ),
    "GET /v1/models/{model}": Operation(
        "Models", "Describe a model", path={"model": ID}, answer=ref("Model"), also=[404]
    ),
}
