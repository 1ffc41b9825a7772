"""A client behind the gateway sees what the provider said: text, tools, finish reasons, usage, errors."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from tests.conformance.recordings import Recording, all_recordings, events, read
from tests.conformance.replay import Replay
from tests.conformance.shared import ABSENT

RECORDINGS = all_recordings()
REFUSED = [one for one in RECORDINGS if one.refused_with]
EMBEDDED = [one for one in RECORDINGS if one.operation == "embeddings" and not one.refused_with]
ANSWERED = [one for one in RECORDINGS if one.operation != "embeddings" and not one.refused_with]
STREAMED = [one for one in ANSWERED if one.streamed]

# finish reasons outside OpenAI's, and what they mean there; clients know only OpenAI's
FINISH_REASONS = {"eos": "stop"}

pytestmark = pytest.mark.skipif(not RECORDINGS, reason=ABSENT)

each = pytest.mark.parametrize


@each("recording", ANSWERED, ids=str)
def test_text_tools_and_finish_reasons_are_those_of_the_recording(replay: Replay, recording: Recording):
    answer = replay.answer(recording)
    assert answer.status_code == 200, answer.text
    seen = read(_bodies(recording, answer.content)).said()
    recorded = read(_bodies(recording, recording.body)).said()
    assert seen == {index: (*said, FINISH_REASONS.get(end, end)) for index, (*said, end) in recorded.items()}


@each("recording", ANSWERED, ids=str)
def test_the_client_sees_the_recorded_usage_when_it_asked(replay: Replay, recording: Recording):
    seen = read(_bodies(recording, replay.answer(recording).content)).usage
    recorded = read(_bodies(recording, recording.body)).usage
    if recording.streamed and not recording.usage_asked:
        assert seen is None
    else:
        assert seen == recorded


@each("recording", STREAMED, ids=str)
def test_streams_end_as_clients_expect(replay: Replay, recording: Recording):
    answer = replay.answer(recording)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    assert answer.text.count("data: [DONE]") == 1


@each("recording", EMBEDDED, ids=str)
def test_vectors_and_usage_of_embeddings_are_those_of_the_recording(replay: Replay, recording: Recording):
    answer = replay.answer(recording)
    assert answer.status_code == 200, answer.text
    seen, recorded = read([answer.json()]), read([recording.json()])
    assert [_floats(vector) for vector in seen.vectors] == [_floats(vector) for vector in recorded.vectors]
    assert seen.usage == recorded.usage
    wants_base64 = recording.request.get("encoding_format") == "base64"
    assert all(isinstance(vector, str) == wants_base64 for vector in seen.vectors)


@each("recording", REFUSED, ids=str)
def test_refusals_keep_status_and_code_in_a_whole_envelope(replay: Replay, recording: Recording):
    answer = replay.answer(recording)
    assert answer.status_code == recording.refused_with
    error, recorded = answer.json()["error"], recording.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    code = recorded.get("code")
    assert error["code"] == (None if code is None else str(code))
    assert answer.headers["x-request-id"].startswith("req_")


@each("recording", [one for one in RECORDINGS if one.place.startswith("openai/")], ids=str)
def test_answers_violate_the_specification_nowhere_that_openai_did_not(replay: Replay, recording: Recording, spec: Any):
    key = _schema(recording)
    ours = _violations(spec, key, recording, replay.answer(recording).content)
    assert ours <= _violations(spec, key, recording, recording.body)


def test_every_recorded_token_reaches_the_ledger(replay: Replay):
    expected = {}
    for recording in [*ANSWERED, *EMBEDDED]:
        usage = read(_bodies(recording, recording.body)).usage
        if usage:
            expected[replay.answer(recording).headers["x-request-id"]] = (recording.place, _told(usage))
    posted = {row["request_id"]: row for row in replay.gateway.records()}
    assert {place: _posted(posted[request_id]) for request_id, (place, _) in expected.items()} == dict(
        expected.values()
    )


def _bodies(recording: Recording, body: bytes) -> list[dict[str, Any]]:
    return list(events(body)) if recording.streamed else [json.loads(body)]


def _floats(vector: Any) -> list[float]:
    """Return the vector as 32-bit floats, which is all that base64 carries."""
    raw = base64.b64decode(vector) if isinstance(vector, str) else struct.pack(f"<{len(vector)}f", *vector)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def _schema(recording: Recording) -> Any:
    if recording.status != 200:
        return "ErrorResponse"
    if recording.streamed and recording.operation == "chat/completions":
        return "CreateChatCompletionStreamResponse"
    return ("post", f"/{recording.operation}", 200)


def _violations(spec: Any, key: Any, recording: Recording, body: bytes) -> set[str]:
    return {error for one in _bodies(recording, body) for error in spec.errors(key, one)}


def _told(usage: dict[str, Any]) -> dict[str, int]:
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "prompt": usage["prompt_tokens"],
        "completion": usage.get("completion_tokens") or 0,
        "cached": prompt.get("cached_tokens") or 0,
        "written": prompt.get("cache_write_tokens") or 0,
        "reasoning": completion.get("reasoning_tokens") or 0,
    }


def _posted(row: dict[str, Any]) -> dict[str, int]:
    """Return the ledger's disjoint classes in the provider's words, where a part is counted in its whole."""
    return {
        "prompt": row["input_tokens"] + row["cached_input_tokens"] + row["cache_write_tokens"],
        "completion": row["output_tokens"] + row["reasoning_tokens"],
        "cached": row["cached_input_tokens"],
        "written": row["cache_write_tokens"],
        "reasoning": row["reasoning_tokens"],
    }
