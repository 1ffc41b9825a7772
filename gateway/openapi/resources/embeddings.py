"""Embeddings."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.resources.chat import request
from gateway.openapi.schemas import COUNT, NUMBER, TEXT, Schema, always, array, either, record, ref, said

TAGS = {"Embeddings": "Texts as vectors."}

VECTOR = either(array(NUMBER), said(TEXT, "The numbers as little-endian float32 in base64."))

TEXTS = {
    "encoding_format": "Numbers, or their bytes in base64, which is shorter.",
    "dimensions": "How many numbers a vector has, where the model can have fewer.",
}

SCHEMAS: dict[str, Schema] = {
    "EmbeddingRequest": request("embeddings", TEXTS),
    "EmbeddingList": record(
        {
            "object": always("list"),
            "data": array(record({"object": always("embedding"), "index": COUNT, "embedding": VECTOR})),
            "model": TEXT,
            "usage": record({"prompt_tokens": COUNT, "total_tokens": COUNT}),
        }
    ),
}

OPERATIONS = {
    "POST /v1/embeddings": Operation(
        "Embeddings",
        "Turn texts into vectors",
        body=ref("EmbeddingRequest"),
        example={"model": "demo-embedding", "input": "Hello"},
        answer=ref("EmbeddingList"),
        calls_model=True,
    ),
}
