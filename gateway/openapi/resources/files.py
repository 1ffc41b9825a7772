"""Files that callers keep here."""

from __future__ import annotations

from gateway.files import asked
from gateway.openapi.operation import Operation
from gateway.openapi.schemas import (
    BINARY,
    COUNT,
    SECONDS,
    TEXT,
    Schema,
    always,
    deleted,
    page,
    paging,
    record,
    ref,
    said,
    whole,
    words,
)

TAGS = {"Files": "Uploads, for batches and for what models are given. They are the user's, within the key's team."}

EXPIRY = record(
    {"anchor": always("created_at"), "seconds": whole(asked.LEAST_SECONDS, asked.MOST_SECONDS)},
    text="When the file is deleted.",
)
ID: dict[str, Schema] = {"file_id": {"type": "string", "pattern": "^[^/]+$", "description": "`file-…`."}}

SCHEMAS: dict[str, Schema] = {
    "FileUpload": record(
        {"file": BINARY, "purpose": words(*asked.PURPOSES)},
        {"expires_after[anchor]": always("created_at"), "expires_after[seconds]": EXPIRY["properties"]["seconds"]},
    ),
    "File": record(
        {
            "id": TEXT,
            "object": always("file"),
            "bytes": COUNT,
            "created_at": SECONDS,
            "filename": TEXT,
            "purpose": TEXT,
            "status": said(TEXT, "processed"),
        },
        {"expires_at": SECONDS},
    ),
}

OPERATIONS = {
    "POST /v1/files": Operation("Files", "Upload a file", form=ref("FileUpload"), answer=ref("File"), also=[415]),
    "GET /v1/files": Operation(
        "Files",
        "List files",
        query=paging(asked.MOST_LISTED, asked.MOST_LISTED, purpose=said(TEXT, "Only those of this purpose.")),
        answer=page(ref("File")),
        also=[400, 404],
    ),
    "GET /v1/files/{file_id}": Operation("Files", "Describe a file", path=ID, answer=ref("File"), also=[404]),
    "DELETE /v1/files/{file_id}": Operation("Files", "Delete a file", path=ID, answer=deleted("file"), also=[404]),
    "GET /v1/files/{file_id}/content": Operation(
        "Files",
        "Read a file",
        "Its bytes as they were uploaded.",
        path=ID,
        media={"application/octet-stream": BINARY},
        also=[404],
    ),
}
