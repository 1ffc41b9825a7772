"""Batches: files of calls, worked off in the background."""

from __future__ import annotations

from gateway.batches import asked
from gateway.openapi.operation import Operation
from gateway.openapi.resources.files import EXPIRY
from gateway.openapi.schemas import (
    COUNT,
    METADATA,
    OBJECT,
    SECONDS,
    TEXT,
    Schema,
    always,
    mapping,
    or_null,
    page,
    paging,
    record,
    ref,
    said,
    words,
)

TAGS = {"Batches": "Files of calls, worked off in the background at low priority. Each line is billed as a call is."}

PAIRS = {
    **mapping({"type": "string", "maxLength": asked.LONGEST_VALUE}),
    "maxProperties": asked.MOST_PAIRS,
    "propertyNames": {"maxLength": asked.LONGEST_NAME},
}

SCHEMAS: dict[str, Schema] = {
    "BatchRequest": record(
        {
            "input_file_id": said(TEXT, "A file of the purpose `batch`: a JSON object of one call on each line."),
            "endpoint": words(*asked.ENDPOINTS),
            "completion_window": words(*asked.WINDOWS),
        },
        {"metadata": or_null(PAIRS), "output_expires_after": or_null(EXPIRY)},
    ),
    "Batch": record(
        {
            "id": TEXT,
            "object": always("batch"),
            "endpoint": TEXT,
            "input_file_id": TEXT,
            "completion_window": TEXT,
            "status": words(
                "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
            ),
            "created_at": SECONDS,
            "request_counts": record({"total": COUNT, "completed": COUNT, "failed": COUNT}),
        },
        {
            "model": TEXT,
            "errors": OBJECT,
            "output_file_id": said(TEXT, "The answers."),
            "error_file_id": said(TEXT, "What failed, and why."),
            "usage": OBJECT,
            "metadata": METADATA,
            **dict.fromkeys(asked.MOMENTS, SECONDS),
        },
    ),
}

ID: dict[str, Schema] = {"batch_id": {"type": "string", "pattern": "^[^/]+$", "description": "`batch_…`."}}
OPERATIONS = {
    "POST /v1/batches": Operation(
        "Batches", "Make a batch", body=ref("BatchRequest"), answer=ref("Batch"), also=[404, 409]
    ),
    "GET /v1/batches": Operation(
        "Batches", "List batches", query=paging(20, 100), answer=page(ref("Batch")), also=[400, 404]
    ),
    "GET /v1/batches/{batch_id}": Operation("Batches", "Describe a batch", path=ID, answer=ref("Batch"), also=[404]),
    "POST /v1/batches/{batch_id}/cancel": Operation(
        "Batches",
        "Cancel a batch",
        "No further line is sent; what was sent is finished.",
        path=ID,
        answer=ref("Batch"),
        also=[400, 404, 409, 413],
    ),
}
