"""Moderations and rankings: what models judge of texts."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.resources.chat import request
from gateway.openapi.schemas import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    Schema,
    array,
    mapping,
    or_null,
    record,
    ref,
    said,
)

TAGS = {"Moderations": "Whether texts and pictures are harmful.", "Rankings": "Documents by how well they answer."}

JUDGEMENT = record(
    {
        "flagged": FLAG,
        "categories": mapping(or_null(FLAG)),
        "category_scores": mapping(NUMBER),
    },
    {"category_applied_input_types": mapping(array(TEXT))},
)

TEXTS = {
    "query": "What the documents are to answer.",
    "documents": "Texts, or objects with one.",
    "top_n": "How many of them are told.",
    "return_documents": "Whether they are told with their texts.",
}

SCHEMAS: dict[str, Schema] = {
    "ModerationRequest": request("moderations", TEXTS),
    "Moderation": record({"id": TEXT, "model": TEXT, "results": array(JUDGEMENT)}),
    "RankingRequest": request("rerank", TEXTS),
    "Ranking": record(
        {
            "id": TEXT,
            "results": array(
                record({"index": COUNT, "relevance_score": NUMBER}, {"document": OBJECT}), "The best first."
            ),
        },
        {"meta": OBJECT, "model": TEXT, "usage": said(or_null(OBJECT), "What is billed.")},
    ),
}

RANK = Operation(
    "Rankings",
    "Rank documents",
    body=ref("RankingRequest"),
    example={"model": "demo", "query": "boats", "documents": ["A small boat", "A red house"]},
    answer=ref("Ranking"),
    calls_model=True,
)
OPERATIONS = {
    "POST /v1/moderations": Operation(
        "Moderations",
        "Judge texts and pictures",
        body=ref("ModerationRequest"),
        example={"model": "demo", "input": "Hello"},
        answer=ref("Moderation"),
        calls_model=True,
    ),
    "POST /v1/rerank": RANK,
    "POST /v2/rerank": RANK,
}
