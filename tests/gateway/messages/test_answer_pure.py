"""A chat's answers as messages, the same whole and in events; an upstream's own messages lose nothing."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.messages.answer import UNREADABLE, message, message_id, usage
from gateway.messages.events import Message
from gateway.messages.writing import MessageWriter
from providers.answers import Chunks, call, completion
from providers.answers import message as said
from providers.answers import usage as counted
from providers.errors import UpstreamError
from tests.gateway.messages.putting import events_of, put_together
from tests.gateway.messages.sending import answered, streamed
from tests.gateway.messages.test_request_pure import HI, HIDDEN, SIGNED
from tests.providers.shared import CASSETTES, load, needs_cassettes

USAGE = counted(10, 5, cached=4, written=3, written_1h=1, reasoning=2)
TOLD = {
    "input_tokens": 3, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4,
    "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1},
    "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2},
}  # fmt: skip
BODY = {"model": "m", "max_tokens": 100, "messages": HI}

each = pytest.mark.parametrize


def chat(finish: str = "stop", told: Any = None, choice: Any = None, **of: Any) -> dict[str, Any]:
    whole = completion(id="chatcmpl-1", model="gpt", message=said(**of), finish_reason=finish, usage=told or USAGE)
    whole["choices"][0] |= choice or {}
    return whole


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words, "citations": None}


def use(id: str, name: str, input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


@each(
    ("choices", "content"),
    [
        ([], []),
        ([None], []),
        ([{"index": 0, "finish_reason": "stop"}], []),
        ([{"index": 0, "message": None, "finish_reason": "stop"}], []),
        ([{"message": {"content": 5, "tool_calls": "x"}, "finish_reason": "stop"}], []),
        ([{"message": {"content": [{"type": "text"}, 5, {"text": "Hi"}], "tool_calls": [None]}}], [text("Hi")]),
        ([{"message": {"tool_calls": [{"id": "c", "function": "x"}]}}], [use("c", "", {})]),
    ],
)
def test_what_of_an_answer_is_of_another_kind_says_nothing(choices: Any, content: list[dict[str, Any]]):
    assert message({**chat(), "choices": choices})["content"] == content


def test_a_message_has_all_that_a_message_has():
    assert message(chat(text="Hello")) == {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "gpt", "content": [text("Hello")],
        "stop_reason": "end_turn", "stop_sequence": None, "stop_details": None, "container": None,
        "usage": {**TOLD, "service_tier": "standard", "server_tool_use": None},
    }  # fmt: skip


@each(
    ("of", "content"),
    [
        ({"text": ""}, []),
        ({"text": None, "calls": [call("c", "f", '{"a": 1}')]}, [use("c", "f", {"a": 1})]),
        ({"text": None, "calls": [call("c", "f", "")]}, [use("c", "f", {})]),
        ({"text": None, "calls": [call("c", "f", '{"a": ')]}, [use("c", "f", {UNREADABLE: '{"a": '})]),
        ({"text": None, "calls": [call("c", "f", "[1]")]}, [use("c", "f", {UNREADABLE: "[1]"})]),
        ({"text": "a", "calls": [call("c", "f", {}), call("d", "g", {"b": 2})]},
         [text("a"), use("c", "f", {}), use("d", "g", {"b": 2})]),
        ({"text": "a", "reasoning": "hm"}, [{"type": "thinking", "thinking": "hm", "signature": ""}, text("a")]),
        ({"text": "a", "reasoning": "hm", "thinking_blocks": [SIGNED, HIDDEN]}, [SIGNED, HIDDEN, text("a")]),
        ({"text": "a", "reasoning": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
         [{"type": "thinking", "thinking": "hm", "signature": ""}, text("a")]),
        ({"text": "a", "reasoning": "hm", "thinking_blocks": [{"type": "thinking", "thinking": [{"text": "hm"}]}]},
         [{"type": "thinking", "thinking": "hm", "signature": ""}, text("a")]),
        ({"text": None, "refusal": "No."}, [text("No.")]),
        ({"text": [{"type": "text", "text": "a"}, {"type": "image"}]}, [text("a")]),
        ({"text": None, "calls": [call("c", "f", {}, extra_content={"google": {"thought_signature": "s"}})]},
         [{**use("c", "f", {}), "extra_content": {"google": {"thought_signature": "s"}}}]),
    ],
)  # fmt: skip
def test_content(of: dict[str, Any], content: list[dict[str, Any]]):
    assert message(chat(**of))["content"] == content


@each(
    ("finish", "of", "choice", "reason", "sequence"),
    [
        ("stop", {}, {}, "end_turn", None),
        ("stop", {}, {"stop_reason": "END"}, "stop_sequence", "END"),
        ("stop", {}, {"stop_reason": "other"}, "end_turn", None),
        ("stop", {}, {"stop_reason": 128001}, "end_turn", None),
        ("length", {}, {}, "max_tokens", None),
        ("content_filter", {}, {}, "refusal", None),
        ("tool_calls", {"calls": [call("c", "f", {})]}, {}, "tool_use", None),
        ("stop", {"calls": [call("c", "f", {})]}, {}, "tool_use", None),
        ("stop", {"refusal": "No."}, {}, "refusal", None),
    ],
)
def test_why_it_ended(finish: str, of: Any, choice: Any, reason: str, sequence: str | None):
    told = message(chat(finish, choice=choice, **{"text": "a", **of}), ["END"])
    assert (told["stop_reason"], told["stop_sequence"]) == (reason, sequence)
    assert (told["stop_details"] is None) is (reason != "refusal")


@each(
    ("id", "expected"),
    [("msg_01A", "msg_01A"), ("chatcmpl-9aB", "msg_9aB"), ("gen:1/2", "msg_gen12")],
)
def test_an_id_is_the_upstreams(id: str, expected: str):
    assert message_id(id) == expected


@each("id", [None, "", 7])
def test_an_answer_without_an_id_gets_one(id: Any):
    assert message_id(id).startswith("msg_")
    assert message_id(id) != message_id(id)


@each("told", [None, {}, {"prompt_tokens": 0}, "x"])
def test_what_was_not_told_is_estimated(told: Any):
    assert usage(told, 7, 3)["input_tokens"] == 7
    assert usage(told, 7, 3)["output_tokens"] == 3
    assert message({**chat(text="12345678"), "usage": told}, (), 7)["usage"]["output_tokens"] == 2


@each(
    ("tier", "expected"), [("default", "standard"), ("priority", "priority"), (None, "standard"), ("flex", "standard")]
)
def test_the_tier_that_served(tier: Any, expected: str):
    assert message({**chat(text="a"), "service_tier": tier})["usage"]["service_tier"] == expected


# streams -------------------------------------------------------------------------------------------------------------


def events(chunks: list[Any], stops: Any = (), prompt_tokens: int = 9) -> list[dict[str, Any]]:
    writing = Message(stops, prompt_tokens)
    told = [event for chunk, _ in chunks for event in writing.feed(chunk)]
    return told + writing.end()


def of_whole(answer: dict[str, Any], cut: int) -> list[Any]:
    """Return the chunks of a stream that says what ``answer`` does, its words in pieces of ``cut``."""
    writes = Chunks("gpt", "chatcmpl-1")
    (choice,) = answer["choices"]
    told = choice["message"]
    pieces = lambda words: [words[at : at + cut] for at in range(0, len(words), cut)]  # noqa: E731
    chunks = [writes.begin()]
    chunks += [writes.reasoning(piece) for piece in pieces(told.get("reasoning_content") or "")]
    if told.get("thinking_blocks"):
        chunks.append(writes.delta(thinking_blocks=[
            {"index": at, **block} for at, block in enumerate(told["thinking_blocks"])]))  # fmt: skip
    chunks += [writes.text(piece) for piece in pieces(told["content"] or "")]
    chunks += [writes.delta(refusal=piece) for piece in pieces(told.get("refusal") or "")]
    for made in told.get("tool_calls") or ():
        chunks.append(writes.call(made["id"], made["function"]["name"]))
        chunks += [writes.more(piece) for piece in pieces(made["function"]["arguments"])]
    ended, raw = writes.finish(choice["finish_reason"])
    ended["choices"][0] |= {name: choice[name] for name in ("stop_reason",) if name in choice}
    return [*chunks, (ended, raw), writes.usage(answer["usage"])]


WORDS = st.text(max_size=12)
OBJECTS = st.dictionaries(
    st.text(max_size=3), st.integers(-9, 9) | WORDS | st.lists(st.booleans(), max_size=2), max_size=3
)
CALLS = st.lists(
    st.builds(call, st.text("abc", min_size=1, max_size=3), st.just("f"), OBJECTS | st.just("")), max_size=3
)
THOUGHTS = st.sampled_from([[], [SIGNED], [SIGNED, HIDDEN], [HIDDEN]])


@st.composite
def answers(draw: Any) -> dict[str, Any]:
    thoughts, calls = draw(THOUGHTS), draw(CALLS)
    reasoning = "".join(block.get("thinking", "") for block in thoughts) if SIGNED in thoughts else draw(WORDS)
    finish = draw(st.sampled_from(["stop", "length", "content_filter"])) if not calls else "tool_calls"
    refusal = draw(st.sampled_from([None, "No."])) if finish == "stop" else None
    hit = draw(st.sampled_from([{}, {"stop_reason": "END"}]))
    return chat(
        finish,
        choice=hit,
        text=draw(WORDS),
        reasoning=reasoning,
        thinking_blocks=thoughts,
        calls=calls,
        refusal=refusal,
    )


@given(answers(), st.integers(1, 9))
def test_a_stream_tells_the_message_that_the_whole_answer_is(answer: dict[str, Any], cut: int):
    told = put_together(events(of_whole(answer, cut), ["END"]))
    expected = message(answer, ["END"])
    joined = list(expected["content"])
    for block in told["content"]:
        assert block != text("")
    if answer["choices"][0]["message"]["refusal"] and answer["choices"][0]["message"]["content"]:
        joined = [*joined[:-2], text(joined[-2]["text"] + joined[-1]["text"])]
    assert told == {**expected, "content": joined}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), max_size=12), st.lists(WORDS, max_size=3))
def test_calls_that_are_told_in_turns_are_blocks_one_after_the_other(turns: list[tuple[int, int]], texts: list[str]):
    """Some servers tell the pieces of several calls in turns."""
    inputs = {0: '{"a":"xyz"}', 1: "{}", 2: '{"b":[1,2,3]}'}
    writes, left = Chunks("gpt", "chatcmpl-1"), dict(inputs)
    chunks = [writes.begin()]
    for index, length in [*turns, *((index, 99) for index in inputs)]:
        begun = {"id": f"c{index}", "type": "function"} if left[index] == inputs[index] else {}
        function = {"name": "f", "arguments": left[index][:length]}
        chunks.append(writes.delta(tool_calls=[{"index": index, **begun, "function": function}]))
        left[index] = left[index][length:]
        chunks += [writes.text(words) for words in texts[:1]]
    chunks.append(writes.finish("tool_calls"))
    told = put_together(events(chunks))
    calls = {block["id"]: block["input"] for block in told["content"] if block["type"] == "tool_use"}
    assert calls == {f"c{index}": json.loads(input) for index, input in inputs.items()}
    said = "".join(block["text"] for block in told["content"] if block["type"] == "text")
    assert said == "".join(texts[:1]) * (len(turns) + 3)


def test_a_stream_begins_with_what_is_known_and_a_ping():
    (start, ping, *_) = events([Chunks("gpt", "chatcmpl-1").begin()])
    assert (start["message"]["usage"]["input_tokens"], ping) == (9, {"type": "ping"})


def test_a_stream_without_usage_is_estimated():
    writes = Chunks("gpt", "chatcmpl-1")
    told = put_together(events([writes.begin(), writes.text("12345678"), writes.finish("stop")]))
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (9, 2)


def test_a_stream_that_says_nothing_is_a_message_all_the_same():
    assert put_together(Message().end())["content"] == []


# upstreams that speak messages themselves ----------------------------------------------------------------------------

CITED = {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "x"}]}
NATIVE = {
    "id": "msg_01", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "stop_sequence",
    "stop_sequence": "END", "stop_details": None,
    "content": [SIGNED, text("a"), use("toolu_1", "f", {"a": 1}), HIDDEN, CITED, use("toolu_2", "f", {})],
    "usage": {"input_tokens": 3, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5,
              "service_tier": "priority", "inference_geo": "us"},
}  # fmt: skip


def sse(events: list[dict[str, Any]]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def native_events() -> list[dict[str, Any]]:
    start = {**NATIVE, "content": [], "stop_reason": None, "stop_sequence": None}
    told: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(NATIVE["content"]):
        begun, deltas = dict(block), []
        if block["type"] == "tool_use":
            begun["input"] = {}
            deltas = (
                [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}] if block["input"] else []
            )
        elif block["type"] == "thinking":
            begun |= {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "sig"}]
        elif block["type"] == "text":
            begun |= {"text": ""}
            deltas = [{"type": "text_delta", "text": block["text"]}]
        told.append({"type": "content_block_start", "index": index, "content_block": begun})
        told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        told.append({"type": "content_block_stop", "index": index})
    ended = {name: NATIVE[name] for name in ("stop_reason", "stop_sequence")}
    return [*told, {"type": "message_delta", "delta": ended, "usage": NATIVE["usage"]}, {"type": "message_stop"}]


def writer() -> MessageWriter:
    inquiry = SimpleNamespace(request_id="req_1")
    return MessageWriter(SimpleNamespace(inquiry=inquiry, body={}, prompt_tokens=9))


def test_an_upstreams_own_message_loses_nothing():
    assert answered("anthropic", BODY, NATIVE) == NATIVE


@each("cut", [1, 50, 10**6])
async def test_an_upstreams_own_events_lose_nothing(cut: int):
    writes = writer()
    said = streamed("anthropic", BODY, sse(native_events()), writes, cut)
    assert b"message_stop" not in said
    assert events_of(said + await writes.end()) == native_events()
    assert put_together(native_events())["content"] == NATIVE["content"]


async def test_a_schema_that_went_through_a_tool_comes_back_as_text():
    body = {**BODY, "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    block = use("toolu_1", "tollgate_answer_in_json", {"a": 1})
    told = {**NATIVE, "content": [SIGNED, block], "stop_reason": "tool_use", "stop_sequence": None}
    answer = answered("anthropic", body, told, "claude-3-5-haiku-latest")
    assert (answer["content"], answer["stop_reason"]) == ([SIGNED, text('{"a":1}')], "end_turn")
    writes = writer()
    start = {**NATIVE, "content": []}
    said = streamed("anthropic", body, sse([
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]), writes, model="claude-3-5-haiku-latest")  # fmt: skip
    streamed_answer = put_together(events_of(said + await writes.end()))
    assert (streamed_answer["content"], streamed_answer["stop_reason"]) == ([text('{"a":1}')], "end_turn")


def recorded() -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    return [
        pytest.param(one, id=f"{path.stem[:50]}-{number}")
        for path in sorted((CASSETTES / "anthropic").glob("*.y*ml"))
        for number, one in enumerate(read(path))
        if one["url"].endswith("/v1/messages") and one["status"] == 200
    ]


@needs_cassettes
@each("one", recorded())
async def test_real_answers_come_back_as_they_were(one: Any):
    body = json.loads(one["req_body"])
    if not one["body"].startswith(b"event:"):
        assert answered("anthropic", body, one["body"]) == json.loads(one["body"])
        return
    writes = writer()
    said = streamed("anthropic", body, one["body"], writes, 50)
    lines = [line for line in one["body"].splitlines() if line.startswith(b"data:")]
    assert events_of(said + await writes.end()) == [json.loads(line.removeprefix(b"data:")) for line in lines]


def test_an_upstreams_failure_is_no_message():
    with pytest.raises(UpstreamError):
        answered("anthropic", BODY, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}})
