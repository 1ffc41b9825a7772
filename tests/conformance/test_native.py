"""Recordings in other providers' formats, through the whole gateway: the official client sees what they hold."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from tests.conformance import native
from tests.conformance.recordings import Recording, events, native_recordings, read, unexplained
from tests.conformance.replay import Replay
from tests.conformance.shared import ABSENT

RECORDINGS = native_recordings()
REFUSED = [one for one in RECORDINGS if one.status != 200]
EMBEDDED = [one for one in RECORDINGS if one.operation == "embeddings" and one.status == 200]
ANSWERED = [one for one in RECORDINGS if one.operation != "embeddings" and one.status == 200]
# what the callers' own keys have nothing to do with stays the status; the words are ours then
KEY_REFUSED = {"gemini/chat_error_handling": 401}

pytestmark = pytest.mark.skipif(not RECORDINGS, reason=ABSENT)

each = pytest.mark.parametrize
HELLO = {"messages": [{"role": "user", "content": "Hi"}], "stream_options": {"include_usage": True}}


def test_whatever_is_recorded_is_replayed_or_left_out_for_a_reason():
    assert unexplained() == []


@each("recording", ANSWERED, ids=str)
def test_text_tools_finish_reason_and_usage_are_those_of_the_recording(replay: Replay, recording: Recording):
    answer = replay.answer(recording, _asked(recording))
    assert answer.status_code == 200, answer.text
    bodies = list(events(answer.content)) if recording.streamed else [answer.json()]
    said = native.READERS[recording.adapter](recording.body, recording.streamed)
    seen = read(bodies)
    ((text, tools, finish),) = seen.said().values()
    assert (text, [(name, json.loads(arguments)) for name, arguments in tools], finish) == said[:3]
    assert _told(seen.usage) == said.usage
    if recording.streamed:
        assert answer.text.endswith("data: [DONE]\n\n")


@each("recording", EMBEDDED, ids=str)
def test_vectors_are_those_of_the_recording(replay: Replay, recording: Recording):
    answer = replay.answer(recording, _asked(recording))
    assert answer.status_code == 200, answer.text
    recorded = native.vectors(recording.adapter, recording.body)
    seen = [_floats(item["embedding"]) for item in answer.json()["data"]]
    assert seen == [_floats(vector) for vector in recorded]


@each("recording", REFUSED, ids=str)
def test_refusals_keep_their_status_in_an_openai_envelope(replay: Replay, recording: Recording):
    answer = replay.answer(recording, _asked(recording))
    expected = next((status for place, status in KEY_REFUSED.items() if place in recording.place), recording.status)
    assert answer.status_code == expected, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-tollgate-provider"].startswith("recording-")


def test_every_recorded_token_of_another_format_reaches_the_ledger(replay: Replay):
    expected = {}
    for recording in ANSWERED:
        answer = replay.answer(recording, _asked(recording))
        said = native.READERS[recording.adapter](recording.body, recording.streamed)
        expected[answer.headers["x-request-id"]] = (recording.place, said.usage)
    posted = {row["request_id"]: row for row in replay.gateway.records()}
    assert {place: _posted(posted[id]) for id, (place, _) in expected.items()} == dict(expected.values())


def _asked(recording: Recording) -> dict[str, Any]:
    """Return a request of our format to which the recorded answer is one."""
    if recording.operation != "embeddings":
        return HELLO if recording.streamed else {"messages": HELLO["messages"]}
    given = recording.request
    texts = given.get("texts") or [each["content"]["parts"][0]["text"] for each in given.get("requests", ())]
    return {"input": texts or given.get("input") or ["Hi"]}


def _floats(vector: Any) -> list[float]:
    raw = base64.b64decode(vector) if isinstance(vector, str) else struct.pack(f"<{len(vector)}f", *vector)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def _told(usage: Any) -> dict[str, int]:
    prompt, completion = usage["prompt_tokens_details"], usage["completion_tokens_details"]
    return native.usage(
        usage["prompt_tokens"],
        usage["completion_tokens"],
        prompt.get("cached_tokens"),
        prompt.get("cache_write_tokens"),
        completion.get("reasoning_tokens"),
    )


def _posted(row: dict[str, Any]) -> dict[str, int]:
    written = row["cache_write_tokens"] + row["cache_write_1h_tokens"]
    return native.usage(
        row["input_tokens"] + row["cached_input_tokens"] + written,
        row["output_tokens"] + row["reasoning_tokens"],
        row["cached_input_tokens"],
        written,
        row["reasoning_tokens"],
    )
