"""A Response as events: in their order, numbered, and in the end what the whole answer would have been."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.responses.events import EventWriter, encoded
from tests.gateway.responses import specification
from tests.gateway.responses.test_answer_pure import ANSWERS, BOTH, answer, call, draft

DONE = {"response.completed", "response.incomplete", "response.failed"}
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def chunk(finish_reason: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-2026",
        "choices": [choice],
    }


def streamed(answered: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a whole answer as an upstream would stream it, its parts uncut."""
    (choice,) = answered["choices"]
    message, chunks = choice["message"], [chunk(role="assistant", content="")]
    for name in ("reasoning_content", "thinking_blocks", "content", "refusal", "annotations"):
        if message.get(name):
            chunks.append(chunk(**{name: message[name]}, logprobs=choice["logprobs"] if name == "content" else None))
    for at, each in enumerate(message.get("tool_calls") or ()):
        chunks.append(chunk(tool_calls=[{**each, "index": at}]))
    chunks.append(chunk(choice["finish_reason"]))
    return [*chunks, {**chunk(), "choices": [], "usage": answered["usage"]}]


def events_of(body: dict[str, Any], chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    writer = EventWriter(draft(**body))
    events = writer.begin()
    for each in chunks:
        events += writer.feed(each)
    return events + writer.end()


def obeys(events: list[dict[str, Any]]) -> None:
    """Each item from its beginning to its end before the next; within it each part; all of it numbered."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event["type"] in DONE for event in events] == [False] * (len(events) - 1) + [True]
    output, part, item, told = [], None, None, ""
    for event in events[2:-1]:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert item is None
            assert event["output_index"] == len(output)
            item, parts = event["item"], []
            continue
        assert item is not None
        assert event["output_index"] == len(output)
        if kind == "output_item.done":
            assert part is None
            assert event["item"]["id"] == item["id"]
            output.append(event["item"])
            item = None
            continue
        assert event["item_id"] == item["id"]
        if kind.endswith("part.added"):
            assert part is None
            part, told = event["part"], ""
        elif kind.endswith(".delta"):
            assert part is not None or item["type"].endswith("call")
            told += event["delta"]
        elif kind.endswith("part.done"):
            parts.append(event["part"])
            part = None
        elif kind.endswith(".done"):
            (said,) = (event[name] for name in ("text", "refusal", "arguments", "input") if name in event)
            assert said == told
            told = ""
    assert item is None
    assert events[-1]["response"]["output"] == output


@pytest.mark.parametrize("name", BOTH)
def test_a_streamed_answer_is_the_whole_one(name):
    body, answered = BOTH[name]
    events = events_of(body, streamed(answered))
    obeys(events)
    assert events[-1]["response"] == draft(**body).finished(answered)


@specification.needed
@pytest.mark.parametrize("name", BOTH)
def test_every_event_is_what_openai_specifies(name):
    body, answered = BOTH[name]
    for event in events_of(body, streamed(answered)):
        assert specification.openai("ResponseStreamEvent", event) == []
        assert specification.openai(SCHEMAS[event["type"]], event) == []


@specification.needed
@pytest.mark.parametrize("name", ANSWERS)
def test_events_are_what_open_responses_specifies_too(name):
    """It calls the reasoning's text by another name than OpenAI and its clients do."""
    body, answered = ANSWERS[name]
    for event in events_of(body, streamed(answered)):
        if event["type"] in STRICT_SCHEMAS:
            assert specification.strict(STRICT_SCHEMAS[event["type"]], event) == []


SCHEMAS = {
    "response.created": "ResponseCreatedEvent",
    "response.in_progress": "ResponseInProgressEvent",
    "response.completed": "ResponseCompletedEvent",
    "response.incomplete": "ResponseIncompleteEvent",
    "response.output_item.added": "ResponseOutputItemAddedEvent",
    "response.output_item.done": "ResponseOutputItemDoneEvent",
    "response.content_part.added": "ResponseContentPartAddedEvent",
    "response.content_part.done": "ResponseContentPartDoneEvent",
    "response.output_text.delta": "ResponseTextDeltaEvent",
    "response.output_text.done": "ResponseTextDoneEvent",
    "response.output_text.annotation.added": "ResponseOutputTextAnnotationAddedEvent",
    "response.refusal.delta": "ResponseRefusalDeltaEvent",
    "response.refusal.done": "ResponseRefusalDoneEvent",
    "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDeltaEvent",
    "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDoneEvent",
    "response.custom_tool_call_input.delta": "ResponseCustomToolCallInputDeltaEvent",
    "response.custom_tool_call_input.done": "ResponseCustomToolCallInputDoneEvent",
    "response.reasoning_text.delta": "ResponseReasoningTextDeltaEvent",
    "response.reasoning_text.done": "ResponseReasoningTextDoneEvent",
    "response.reasoning_summary_part.added": "ResponseReasoningSummaryPartAddedEvent",
    "response.reasoning_summary_part.done": "ResponseReasoningSummaryPartDoneEvent",
    "response.reasoning_summary_text.delta": "ResponseReasoningSummaryTextDeltaEvent",
    "response.reasoning_summary_text.done": "ResponseReasoningSummaryTextDoneEvent",
}

STRICT_SCHEMAS = {
    "response.created": "ResponseCreatedStreamingEvent",
    "response.in_progress": "ResponseInProgressStreamingEvent",
    "response.completed": "ResponseCompletedStreamingEvent",
    "response.incomplete": "ResponseIncompleteStreamingEvent",
    "response.output_item.added": "ResponseOutputItemAddedStreamingEvent",
    "response.output_item.done": "ResponseOutputItemDoneStreamingEvent",
    "response.content_part.added": "ResponseContentPartAddedStreamingEvent",
    "response.content_part.done": "ResponseContentPartDoneStreamingEvent",
    "response.output_text.delta": "ResponseOutputTextDeltaStreamingEvent",
    "response.output_text.done": "ResponseOutputTextDoneStreamingEvent",
    "response.output_text.annotation.added": "ResponseOutputTextAnnotationAddedStreamingEvent",
    "response.refusal.delta": "ResponseRefusalDeltaStreamingEvent",
    "response.refusal.done": "ResponseRefusalDoneStreamingEvent",
    "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDeltaStreamingEvent",
    "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDoneStreamingEvent",
    "response.reasoning_summary_part.added": "ResponseReasoningSummaryPartAddedStreamingEvent",
    "response.reasoning_summary_part.done": "ResponseReasoningSummaryPartDoneStreamingEvent",
    "response.reasoning_summary_text.delta": "ResponseReasoningSummaryDeltaStreamingEvent",
    "response.reasoning_summary_text.done": "ResponseReasoningSummaryDoneStreamingEvent",
}


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw an answer, and a way to stream it: texts cut anywhere, the pieces of tool calls mixed."""
    reasoning, text, refusal = draw(words), draw(words), draw(words)
    arguments = draw(st.lists(st.dictionaries(words, words | st.integers() | st.none(), max_size=3), max_size=4))
    calls = [call(f"f{at}", json.dumps(each), f"call_{at}") for at, each in enumerate(arguments)]
    reason = draw(st.sampled_from(["length", "content_filter", "tool_calls" if calls else "stop"]))
    whole = answer(
        reason, content=text or None, refusal=refusal or None, reasoning_content=reasoning, tool_calls=calls or None
    )
    chunks = [chunk(role="assistant", content="")]
    for name, said in (("reasoning_content", reasoning), ("content", text), ("refusal", refusal)):
        chunks += [chunk(**{name: piece}) for piece in draw(cut(said))]
    chunks += draw(interleaved(calls))
    return whole, [*chunks, chunk(reason), {**chunk(), "choices": [], "usage": whole["usage"]}]


@st.composite
def interleaved(draw: st.DrawFn, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Draw the chunks of tool calls: they begin in their order, each stays in order, all else is chance."""
    rest = [draw(cut(each["function"]["arguments"])) for each in calls]
    chunks, begun = [], 0
    while begun < len(calls) or any(rest):
        able = [at for at in range(begun) if rest[at]] + ([begun] if begun < len(calls) else [])
        at = draw(st.sampled_from(able))
        if at == begun:
            begun += 1
            first = {**calls[at], "function": {"name": calls[at]["function"]["name"], "arguments": ""}}
            chunks.append(chunk(tool_calls=[{**first, "index": at}]))
        else:
            chunks.append(chunk(tool_calls=[{"index": at, "function": {"arguments": rest[at].pop(0)}}]))
    return chunks


@settings(deadline=None)
@given(conversations(), st.sampled_from([{}, {"reasoning": {"summary": "auto"}}]))
def test_however_it_is_cut_the_answer_is_the_same(conversation, body):
    whole, chunks = conversation
    events = events_of(body, chunks)
    obeys(events)
    assert events[-1]["response"] == draft(**body).finished(whole)


@given(st.lists(st.tuples(st.sampled_from(["reasoning_content", "content", "refusal", "call"]), words), max_size=12))
def test_whatever_comes_in_whatever_order_nothing_is_lost(pieces):
    chunks, calls = [], 0
    for kind, text in pieces:
        if kind == "call":
            chunks.append(chunk(tool_calls=[{**call("f", json.dumps({"a": text})), "index": calls}]))
            calls += 1
        else:
            chunks.append(chunk(**{kind: text}))
    events = events_of({}, chunks)
    obeys(events)
    output = events[-1]["response"]["output"]
    assert sum(item["type"] == "function_call" for item in output) == calls
    texts = [part["text"] for item in output if item["type"] == "message" for part in item["content"] if "text" in part]
    assert "".join(texts) == "".join(text for kind, text in pieces if kind == "content")


def test_a_call_is_told_as_it_comes():
    writer = EventWriter(draft())
    first = writer.feed(chunk(tool_calls=[{**call("f", ""), "index": 0}]))
    more = writer.feed(chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"a":'}}]))
    assert [event["type"] for event in first] == ["response.output_item.added"]
    assert [event["delta"] for event in more] == ['{"a":']


def test_a_call_ends_when_the_next_begins():
    writer = EventWriter(draft())
    writer.feed(chunk(tool_calls=[{**call("f", "{}"), "index": 0}]))
    events = writer.feed(chunk(tool_calls=[{**call("g", "", "call_2"), "index": 1}]))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds == ["function_call_arguments.done", "output_item.done", "output_item.added"]


def test_thoughts_are_told_before_the_answer_begins():
    writer = EventWriter(draft())
    writer.feed(chunk(reasoning_content="Hm"))
    writer.feed(chunk(thinking_blocks=[{"index": 0, "type": "thinking", "thinking": "Hm", "signature": "s"}]))
    events = writer.feed(chunk(content="4"))
    assert events[2]["type"] == "response.output_item.done"
    assert events[2]["item"]["encrypted_content"].startswith("tg1.")


def test_thoughts_that_come_after_the_answer_are_in_the_response():
    """Cohere sends them whole, at the end."""
    blocks = [{"index": 0, "type": "thinking", "thinking": "Hm"}]
    events = events_of(
        {}, [chunk(reasoning_content="Hm"), chunk(content="4"), chunk(thinking_blocks=blocks), chunk("stop")]
    )
    assert "encrypted_content" in events[-1]["response"]["output"][0]


def test_a_call_without_name_or_id_waits_for_its_name_and_gets_an_id():
    events = events_of({}, [
        chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        chunk(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ":1}"}}]),
        chunk("tool_calls"),
    ])  # fmt: skip
    (item,) = events[-1]["response"]["output"]
    assert (item["name"], item["arguments"]) == ("f", '{"a":1}')
    assert item["call_id"]


def test_other_choices_are_left_out():
    other = chunk(content="no")
    other["choices"][0]["index"] = 1
    assert EventWriter(draft()).feed(other) == []


def test_one_that_was_queued_says_so():
    events = EventWriter(draft(background=True), is_background=True).begin()
    assert [(event["type"], event["response"]["status"]) for event in events] == [
        ("response.created", "queued"), ("response.queued", "queued"), ("response.in_progress", "in_progress"),
    ]  # fmt: skip


def test_one_that_breaks_off_fails_with_what_there_is():
    writer = EventWriter(draft())
    begun = [*writer.begin(), *writer.feed(chunk(content="Half"))]
    (failed,) = writer.fail("upstream_error", "The answer broke off.")
    assert failed["type"] == "response.failed"
    assert failed["sequence_number"] == len(begun)
    assert failed["response"]["error"] == {"code": "server_error", "message": "The answer broke off."}
    assert failed["response"]["output"][0]["content"][0]["text"] == "Half"
    assert writer.response == failed["response"]


def test_goes_over_the_wire_under_its_name():
    event = {"type": "response.created", "sequence_number": 0, "text": "a\nb"}
    assert (
        encoded(event)
        == b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"text":"a\\nb"}\n\n'
    )
