"""Batches as a client hands them in, and waits for them."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
from openai.types import Batch

SECONDS = 120
ENDED = ("completed", "failed", "expired", "cancelled")


def call(custom_id: str, content: str = "Hello", **body: Any) -> dict[str, Any]:
    """Return a line that asks the fake upstream."""
    said = {"model": "fake", "messages": [{"role": "user", "content": content}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": said}


def submit(client: openai.OpenAI, lines: list[Any], endpoint: Any = "/v1/chat/completions", **options: Any) -> Batch:
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    file = client.files.create(file=("input.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **options)


def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    """Return the batch when it has ended."""
    return until(client, batch, lambda batch: batch.status in ENDED)


def until(client: openai.OpenAI, batch: Batch, happened: Any) -> Batch:
    limit = time.monotonic() + SECONDS
    while not happened(batch := client.batches.retrieve(batch.id)):
        assert time.monotonic() < limit, batch
        time.sleep(0.1)
    return batch


def lines_of(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).read().splitlines()]
