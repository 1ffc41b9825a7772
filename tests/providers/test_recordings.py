"""Recorded answers: the caller gets what the upstream said, streamed or not, however the bytes were cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers.adapters.hosts import HOSTS
from providers.adapters.shapes import Response
from providers.errors import UpstreamError
from providers.exchange import Chunk, Exchange
from providers.targets import Target
from tests.providers.added_up import choices, seen
from tests.providers.samples import target
from tests.providers.shared import CASSETTES, load, needs_cassettes

HAND_WRITTEN = Path(__file__).parents[1] / "recordings" / "openai"
OPERATIONS = {"/chat/completions": "chat.completions", "/completions": "completions", "/embeddings": "embeddings"}
OPENAI_FORMAT = ("openai", "azure", "groq", "openrouter", "together", "vllm", "xai")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TARGET = target("openai")
# A folder's own adapter reads it, where it has one that speaks this format.
TARGETS = {folder: target(folder if folder in HOSTS else "openai") for folder in OPENAI_FORMAT}


def streamed(
    body: dict[str, Any], operation: str, sent: bytes, cut: int, by: Target = TARGET
) -> tuple[list[Chunk], UpstreamError | None]:
    reader = Exchange(operation, body, by).reader()
    chunks = [chunk for at in range(0, len(sent), cut) for chunk in reader.feed(sent[at : at + cut])]
    return chunks + reader.close(), reader.error


@pytest.mark.parametrize("name", ["text", "tools", "untidy"])
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_an_answer_is_the_same_streamed_or_not(name, cut):
    chunks, error = streamed({"stream": True}, "chat.completions", (HAND_WRITTEN / f"{name}.sse").read_bytes(), cut)
    response = Response(200, {}, (HAND_WRITTEN / f"{name}.json").read_bytes())
    whole, _ = Exchange("chat.completions", {}, TARGET).answer(response)
    assert error is None
    added = choices(seen(chunks))
    for choice in added:
        choice["message"].setdefault("refusal", None)
    assert added == [{key: each[key] for key in ("message", "finish_reason")} for each in whole["choices"]]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole["usage"]]


def interactions() -> Iterator[Any]:
    if not CASSETTES.exists():
        return
    read = load(CASSETTES / "read_cassettes.py").interactions
    for path in sorted(each for folder in OPENAI_FORMAT for each in (CASSETTES / folder).glob("*.y*ml")):
        for number, each in enumerate(read(path)):
            operation = next((OPERATIONS[end] for end in OPERATIONS if urlsplit(each["url"]).path.endswith(end)), None)
            if operation and each["method"] == "POST":
                by = TARGETS[path.parent.name]
                yield pytest.param(by, operation, each, id=f"{path.parent.name}-{path.stem[:60]}-{number}")


@needs_cassettes
@pytest.mark.parametrize(("by", "operation", "recorded"), list(interactions()))
def test_real_traffic_comes_through(by, operation, recorded):
    body = json.loads(recorded["req_body"] or b"{}")
    headers = {name: values[0] for name, values in recorded["headers"].items()}
    if recorded["status"] != 200 or recorded["body"].lstrip().startswith(b'{ "error"'):
        with pytest.raises(UpstreamError) as caught:
            Exchange(operation, body, by).answer(Response(recorded["status"], headers, recorded["body"]))
        assert caught.value.status >= 400
    elif recorded["body"].lstrip().startswith(b"{"):
        _whole(by, operation, body, recorded["body"])
    else:
        _stream(by, operation, body, recorded["body"])


@needs_cassettes
@pytest.mark.parametrize(("by", "operation", "recorded"), list(interactions()))
def test_what_was_really_asked_can_be_asked_again(by, operation, recorded):
    body = json.loads(recorded["req_body"] or b"{}")
    exchange = Exchange(operation, body, by)
    sent = json.loads(exchange.request(NOW).body)
    assert exchange.dropped == ()
    assert {**body, **sent} == {**sent, **body, "model": "up-1"} | _usage_asked(by, body)


def _usage_asked(by: Target, body: dict[str, Any]) -> dict[str, Any]:
    if not body.get("stream") or by.provider.quirks.get("stream_usage") is False:
        return {}
    return {"stream_options": {**body.get("stream_options", {}), "include_usage": True}}


def _whole(by: Target, operation: str, body: dict[str, Any], sent: bytes) -> None:
    answer, raw = Exchange(operation, body, by).answer(Response(200, {}, sent))
    original = json.loads(sent)
    assert answer["usage"] == original["usage"]
    if operation == "embeddings":
        assert raw == sent
    else:
        assert [_said(each) for each in answer["choices"]] == [_said(each) for each in original["choices"]]
        assert all(each["finish_reason"] in FINISHES for each in answer["choices"])


def _said(choice: dict[str, Any]) -> Any:
    """Return what a choice says, its reasoning under the one name that callers know."""
    message = choice.get("message", choice.get("text"))
    if isinstance(message, dict) and message.get("reasoning") is not None:
        message = {**message, "reasoning_content": message["reasoning"]}
        del message["reasoning"]
    return message


FINISHES = ("stop", "length", "tool_calls", "content_filter", "function_call")


def _stream(by: Target, operation: str, body: dict[str, Any], sent: bytes) -> None:
    chunks, error = streamed(body, operation, sent, len(sent), by)
    bitwise, _ = streamed(body, operation, sent, 7, by)
    assert [each.wire() for each in bitwise] == [each.wire() for each in chunks]
    is_cut = b"[DONE]" not in sent
    assert error is None or is_cut
    added = choices(seen(chunks))
    for choice in added:
        assert choice.get("message", {"role": "assistant"})["role"] == "assistant"
        assert choice["finish_reason"] in FINISHES or is_cut
        for call in choice.get("message", {}).get("tool_calls", ()):
            assert is_cut or call["type"] == "custom" or json.loads(call["function"]["arguments"]) is not None
    asked = (body.get("stream_options") or {}).get("include_usage")
    events = [json.loads(line[6:]) for line in sent.splitlines() if line.startswith(b"data: {")]
    usage = [each["usage"] for each in events if each.get("usage")]
    assert [chunk.usage for chunk in chunks if chunk.usage] == usage
    assert bool(asked and usage) == any(each.get("usage") for each in seen(chunks))
