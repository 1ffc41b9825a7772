"""Vector stores: files that are searched by what they mean."""

from __future__ import annotations

from gateway.openapi.headers import EMBEDDING
from gateway.openapi.operation import Operation
from gateway.openapi.schemas import (
    COUNT,
    FLAG,
    METADATA,
    NUMBER,
    SECONDS,
    TEXT,
    Schema,
    always,
    array,
    deleted,
    either,
    mapping,
    or_null,
    page,
    paging,
    record,
    ref,
    said,
    whole,
    words,
)
from gateway.responses.listing import DEFAULT, MOST
from gateway.vectors import asked
from gateway.vectors.filters import COMPARISONS, COMPOUNDS

TAG = "Vector stores"
TAGS = {
    TAG: "Files cut into pieces, embedded, and searched by what they mean. They are the user's, within the key's team; "
    "what embedding costs stands in the ledger."
}

FILLED: Schema = {"type": "string", "pattern": r"\S"}
PAIRS: Schema = {
    **mapping({"type": "string", "maxLength": asked.LONGEST_VALUE}),
    "maxProperties": asked.MOST_ATTRIBUTES,
    "propertyNames": {"maxLength": asked.LONGEST_KEY},
}
ATTRIBUTES: Schema = {
    **mapping(either({"type": "string", "maxLength": asked.LONGEST_VALUE}, NUMBER, FLAG)),
    "maxProperties": asked.MOST_ATTRIBUTES,
    "propertyNames": {"minLength": 1, "maxLength": asked.LONGEST_KEY},
    "description": "What searches can be filtered by.",
}
NAME: Schema = {"type": "string", "maxLength": asked.LONGEST_NAME}
EXPIRY = record(
    {"anchor": always("last_active_at"), "days": whole(1, 365)}, text="How long the store lives when nobody uses it."
)
STATIC = record(
    {
        "type": always("static"),
        "static": record(
            {
                "max_chunk_size_tokens": whole(asked.LEAST_SIZE, asked.MOST_SIZE),
                "chunk_overlap_tokens": whole(0, asked.MOST_SIZE // 2, "At most half the size."),
            }
        ),
    }
)
CHUNKING = either(
    record({"type": always("auto")}), STATIC, text=f"`auto` is {asked.SIZE} tokens, {asked.OVERLAP} of them shared."
)
CHANGES: dict[str, Schema] = {
    "name": or_null(NAME),
    "description": or_null({"type": "string", "maxLength": asked.LONGEST_DESCRIPTION}),
    "expires_after": or_null(EXPIRY),
    "metadata": or_null(PAIRS),
}
FILE_COUNTS = record({**dict.fromkeys(asked.STATUSES, COUNT), "total": COUNT})
CONTENT = array(record({"type": always("text"), "text": TEXT}))
NEXT_PAGE = or_null(said(TEXT, "What to send as `page` for the next one."))
FILTER = record(
    {"key": FILLED, "value": said({}, "A string, a number, a boolean, or an array of those.")},
    {"type": {**words(*COMPARISONS), "default": "eq"}},
)

SCHEMAS: dict[str, Schema] = {
    "VectorStoreRequest": record(
        {},
        {
            **CHANGES,
            "file_ids": or_null(array(FILLED, maxItems=asked.MOST_FILES)),
            "chunking_strategy": or_null(CHUNKING),
        },
    ),
    "VectorStoreChanges": record({}, CHANGES),
    "VectorStore": record(
        {
            "id": said(TEXT, "`vs_…`."),
            "object": always("vector_store"),
            "created_at": SECONDS,
            "name": TEXT,
            "description": or_null(TEXT),
            "usage_bytes": said(COUNT, "Of the texts and their vectors."),
            "file_counts": FILE_COUNTS,
            "status": words("expired", "in_progress", "completed"),
            "expires_after": or_null(EXPIRY),
            "expires_at": or_null(SECONDS),
            "last_active_at": SECONDS,
            "metadata": METADATA,
        }
    ),
    "VectorStoreFileRequest": record(
        {"file_id": FILLED}, {"chunking_strategy": or_null(CHUNKING), "attributes": or_null(ATTRIBUTES)}
    ),
    "VectorStoreFileAttributes": record({"attributes": or_null(ATTRIBUTES)}),
    "VectorStoreFile": record(
        {
            "id": said(TEXT, "That of the file."),
            "object": always("vector_store.file"),
            "usage_bytes": COUNT,
            "created_at": SECONDS,
            "vector_store_id": TEXT,
            "status": words(*asked.STATUSES),
            "last_error": or_null(
                record({"code": words("server_error", "unsupported_file", "invalid_file"), "message": TEXT})
            ),
            "chunking_strategy": STATIC,
            "attributes": ATTRIBUTES,
        }
    ),
    "VectorStoreFileContent": record(
        {
            "object": always("vector_store.file_content.page"),
            "data": CONTENT,
            "has_more": FLAG,
            "next_page": NEXT_PAGE,
        }
    ),
    "VectorStoreBatchRequest": record(
        {},
        {
            "file_ids": or_null(array(FILLED, "These, or `files`.", minItems=1, maxItems=asked.MOST_IN_BATCH)),
            "files": or_null(array(ref("VectorStoreFileRequest"), minItems=1, maxItems=asked.MOST_IN_BATCH)),
            "chunking_strategy": or_null(CHUNKING),
            "attributes": or_null(ATTRIBUTES),
        },
    ),
    "VectorStoreBatch": record(
        {
            "id": said(TEXT, "`vsfb_…`."),
            "object": always("vector_store.files_batch"),
            "created_at": SECONDS,
            "vector_store_id": TEXT,
            "status": words(*asked.STATUSES),
            "file_counts": FILE_COUNTS,
        }
    ),
    "VectorFilter": either(
        FILTER, record({"type": words(*COMPOUNDS), "filters": array(ref("VectorFilter"))}), text="By files' attributes."
    ),
    "VectorStoreSearch": record(
        {"query": either(FILLED, array(FILLED, minItems=1, maxItems=asked.MOST_QUERIES))},
        {
            "max_num_results": or_null(whole(1, asked.MOST_RESULTS)),
            "filters": or_null(ref("VectorFilter")),
            "ranking_options": or_null(
                record(
                    {},
                    {
                        "ranker": or_null(words(*asked.RANKERS, text="All the same here.")),
                        "score_threshold": or_null({"type": "number", "minimum": 0, "maximum": 1}),
                    },
                )
            ),
            "rewrite_query": or_null(said(FLAG, "Taken, and nothing is rewritten.")),
        },
    ),
    "VectorStoreResults": record(
        {
            "object": always("vector_store.search_results.page"),
            "search_query": array(TEXT),
            "data": array(
                record(
                    {
                        "file_id": TEXT,
                        "filename": TEXT,
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                        "attributes": ATTRIBUTES,
                        "content": CONTENT,
                    }
                )
            ),
            "has_more": FLAG,
            "next_page": or_null(TEXT),
        }
    ),
}

PATTERN: Schema = {"type": "string", "pattern": "^[^/]+$"}
STORE = {"vector_store_id": said(PATTERN, "`vs_…`.")}
FILE = {**STORE, "file_id": said(PATTERN, "`file-…`.")}
BATCH = {**STORE, "batch_id": said(PATTERN, "`vsfb_…`.")}
BEFORE = {"before": said(TEXT, "The id of the first item of the page behind.")}
FILES_QUERY = {**paging(DEFAULT, MOST, **BEFORE), "filter": words(*asked.STATUSES, text="Only those of this status.")}
POLL = ("openai-poll-after-ms",)
SHOWN = (*POLL, *EMBEDDING)

OPERATIONS = {
    "POST /v1/vector_stores": Operation(
        TAG, "Make a vector store", body=ref("VectorStoreRequest"), answer=ref("VectorStore"), headers=SHOWN, also=[404]
    ),
    "GET /v1/vector_stores": Operation(
        TAG, "List vector stores", query=paging(DEFAULT, MOST, **BEFORE), answer=page(ref("VectorStore")), also=[400]
    ),
    "GET /v1/vector_stores/{vector_store_id}": Operation(
        TAG, "Describe a vector store", path=STORE, answer=ref("VectorStore"), headers=SHOWN, also=[404]
    ),
    "POST /v1/vector_stores/{vector_store_id}": Operation(
        TAG,
        "Change a vector store",
        path=STORE,
        body=ref("VectorStoreChanges"),
        answer=ref("VectorStore"),
        headers=SHOWN,
        also=[404],
    ),
    "DELETE /v1/vector_stores/{vector_store_id}": Operation(
        TAG,
        "Delete a vector store",
        "The files that are in it stay.",
        path=STORE,
        answer=deleted("vector_store.deleted"),
        also=[404],
    ),
    "POST /v1/vector_stores/{vector_store_id}/search": Operation(
        TAG,
        "Search a vector store",
        "The query is embedded by the store's model, and billed as any call of it.",
        path=STORE,
        body=ref("VectorStoreSearch"),
        answer=ref("VectorStoreResults"),
        headers=EMBEDDING,
        calls_model=True,
    ),
    "POST /v1/vector_stores/{vector_store_id}/files": Operation(
        TAG,
        "Add a file to a vector store",
        "It is read in the background. A file that is there already is read again only where that has failed, or "
        "where it is to be cut otherwise.",
        path=STORE,
        body=ref("VectorStoreFileRequest"),
        answer=ref("VectorStoreFile"),
        headers=POLL,
        also=[404],
    ),
    "GET /v1/vector_stores/{vector_store_id}/files": Operation(
        TAG,
        "List the files of a vector store",
        path=STORE,
        query=FILES_QUERY,
        answer=page(ref("VectorStoreFile")),
        also=[400, 404],
    ),
    "GET /v1/vector_stores/{vector_store_id}/files/{file_id}": Operation(
        TAG, "Describe a file of a vector store", path=FILE, answer=ref("VectorStoreFile"), headers=POLL, also=[404]
    ),
    "POST /v1/vector_stores/{vector_store_id}/files/{file_id}": Operation(
        TAG,
        "Change the attributes of a file",
        path=FILE,
        body=ref("VectorStoreFileAttributes"),
        answer=ref("VectorStoreFile"),
        headers=POLL,
        also=[404],
    ),
    "DELETE /v1/vector_stores/{vector_store_id}/files/{file_id}": Operation(
        TAG,
        "Take a file out of a vector store",
        "The file itself stays.",
        path=FILE,
        answer=deleted("vector_store.file.deleted"),
        also=[404],
    ),
    "GET /v1/vector_stores/{vector_store_id}/files/{file_id}/content": Operation(
        TAG,
        "Read the text of a file",
        "As the pieces that are searched, in their order.",
        path=FILE,
        query={"page": said(TEXT, "The `next_page` of the page before.")},
        answer=ref("VectorStoreFileContent"),
        also=[400, 404],
    ),
    "POST /v1/vector_stores/{vector_store_id}/file_batches": Operation(
        TAG,
        "Add several files to a vector store",
        path=STORE,
        body=ref("VectorStoreBatchRequest"),
        answer=ref("VectorStoreBatch"),
        headers=POLL,
        also=[404],
    ),
    "GET /v1/vector_stores/{vector_store_id}/file_batches/{batch_id}": Operation(
        TAG, "Describe a batch of files", path=BATCH, answer=ref("VectorStoreBatch"), headers=POLL, also=[404]
    ),
    "POST /v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel": Operation(
        TAG,
        "Cancel a batch of files",
        "What is not read yet is not read any more.",
        path=BATCH,
        answer=ref("VectorStoreBatch"),
        headers=POLL,
        also=[400, 404, 413],
    ),
    "GET /v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files": Operation(
        TAG,
        "List the files of a batch",
        path=BATCH,
        query=FILES_QUERY,
        answer=page(ref("VectorStoreFile")),
        also=[400, 404],
    ),
}
