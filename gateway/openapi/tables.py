"""Every description, in one table: by method and path, and the schemas that they name. Pure."""

from __future__ import annotations

from gateway.openapi import answers
from gateway.openapi.operation import Operation
from gateway.openapi.resources import (
    assistants,
    audio,
    batches,
    chat,
    conversations,
    embeddings,
    files,
    images,
    items,
    messages,
    models,
    moderations,
    more,
    older,
    operations,
    requests,
    responses,
    runs,
    spend,
    tokens,
    vectors,
)
from gateway.openapi.schemas import Schema

RESOURCES = (
    chat, responses, conversations, items, messages, embeddings, images, audio, moderations, tokens, files, vectors,
    batches, assistants, runs, models, spend, more, requests, older, operations,
)  # fmt: skip

TAGS: dict[str, str] = {name: text for resource in RESOURCES for name, text in resource.TAGS.items()}
OPERATIONS: dict[str, Operation] = {key: each for resource in RESOURCES for key, each in resource.OPERATIONS.items()}
SCHEMAS: dict[str, Schema] = {
    **answers.ENVELOPES,
    **{name: schema for resource in RESOURCES for name, schema in resource.SCHEMAS.items()},
}
