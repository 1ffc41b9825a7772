"""What holds of every adapter: nothing unknown goes out, and nothing odd that comes in is more than a named error."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.adapters import ADAPTERS
from providers.adapters.hosts import HOSTS
from providers.adapters.local import ENGINES
from providers.adapters.shapes import Request, Response
from providers.errors import RequestRejected, StreamCut, UpstreamError
from providers.exchange import Exchange
from providers.sse import Splitter
from tests.providers.added_up import choices, seen
from tests.providers.samples import BODIES, SECRET, said, target
from tests.providers.test_parameter_table import PARAMETERS, value_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[1] / "recordings"
STREAMS = {".sse", ".ndjson", ".frames"}
NATIVE = sorted(name for name in ADAPTERS if name not in ("demo", *ENGINES))
# Formats one by one; the hosts of OpenAI's take turns.
GROUPS = [pytest.param((name,), id=name) for name in NATIVE if name not in HOSTS] + [
    pytest.param(tuple(HOSTS), id="hosts")
]
OPERATIONS = [(adapter, operation) for adapter in sorted(ADAPTERS) for operation in ADAPTERS[adapter].operations]
CANARY = "canary-that-nobody-may-see"
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": "y"}'}}
RICH = [
    {"role": "system", "content": "Be kind."},
    {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
    {
        "role": "user",
        "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "a dot"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a dot"}]},
    {"role": "assistant", "content": "A dot.", "reasoning_content": "Two tools said so."},
    {"role": "user", "content": "Sure?"},
]  # fmt: skip


def asked(adapter: str, operation: str, **body: Any) -> tuple[Request, Exchange]:
    exchange = Exchange(operation, {**BODIES[operation], **body}, target(adapter))
    return exchange.request(NOW), exchange


def rich(adapter: str, operation: str) -> dict[str, Any]:
    """Return a body with all that this adapter can be told at once, a conversation with everything where it can be."""
    said: dict[str, Any] = {"messages": RICH} if operation == "chat.completions" else {}
    if said and not _is_taken(adapter, operation, said):
        said = {}
    for name in PARAMETERS.get(operation, ()):
        if name not in BODIES[operation]:
            more = {**said, name: value_of(operation, name)}
            said = more if name not in ("stream", "stream_options") and _is_taken(adapter, operation, more) else said
    return {**BODIES[operation], **said}


def _is_taken(adapter: str, operation: str, said: dict[str, Any]) -> bool:
    with contextlib.suppress(RequestRejected):
        return bool(asked(adapter, operation, **said))
    return False


@pytest.mark.parametrize(("adapter", "operation"), OPERATIONS)
def test_nothing_unknown_goes_out_and_no_body_is_changed(adapter, operation):
    body = {**rich(adapter, operation), "x_unheard_of": {"deep": CANARY}, "caching": CANARY}
    before = copy.deepcopy(body)
    request, exchange = asked(adapter, operation, **body)
    assert body == before
    assert len(body) > len(BODIES[operation])
    going = b"".join((request.path.encode(), said(request), repr(request.headers).encode()))
    knows_all = ADAPTERS[adapter].parameters.get(operation) is None
    assert (CANARY.encode() in going) is knows_all
    assert ("x_unheard_of" in exchange.dropped) is not knows_all
    assert b"caching" not in going
    assert set(exchange.dropped) <= {*body, "messages.name"}


@pytest.mark.parametrize(("adapter", "operation"), OPERATIONS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_secret_stands_in_headers_and_nowhere_else(adapter, operation, stream):
    body = {"stream": True} if stream and operation in ("chat.completions", "completions") else {}
    request, exchange = asked(adapter, operation, **body)
    assert SECRET not in request.path
    assert SECRET.encode() not in said(request)
    assert SECRET not in repr(exchange.target)


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_the_whole_of_a_conversation_goes_out_or_is_refused_by_name(adapter):
    if "chat.completions" not in ADAPTERS[adapter].operations:
        return
    try:
        request, _ = asked(adapter, "chat.completions", messages=RICH, tools=[value_of("", "tools")[0]])
    except RequestRejected as refused:
        assert refused.param  # noqa: PT017
        return
    for words in (b"Be kind.", b"Be brief.", b"What is it?", b"a dot", b"A dot.", b"Sure?"):
        assert words in request.body


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.sampled_from(["", "x", "user", "data:,", PIXEL]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["type", "text", "image_url", "url", "function", "name", "id", "role"]), inner),
    max_leaves=6,
)  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
    optional=dict.fromkeys(("content", "tool_calls", "tool_call_id", "name", "refusal", "function_call"), ODD),
)
PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "x"])},
    optional=dict.fromkeys(("text", "image_url", "input_audio", "file", "refusal"), ODD),
)
CALLING = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "type", "function", "index", "extra_content"), ODD))
MESSAGES = st.lists(
    MESSAGE
    | st.builds(lambda parts: {"role": "user", "content": parts}, st.lists(PART, max_size=3))
    | st.builds(lambda calls: {"role": "assistant", "tool_calls": calls}, st.lists(CALLING, max_size=2)),
    max_size=4,
)
SAID = st.dictionaries(
    st.sampled_from([*PARAMETERS["chat.completions"], "encoding_format", "dimensions"]).filter(
        lambda n: n != "messages"
    ),
    ODD,
    max_size=4,
)


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=30)
@given(messages=MESSAGES | ODD, said=SAID, data=st.data())
def test_a_bad_body_is_refused_and_nothing_else_happens(group, messages, said, data):
    adapter = data.draw(st.sampled_from(group))
    operation = data.draw(st.sampled_from(ADAPTERS[adapter].operations))
    given_body = {**BODIES[operation], **said}
    for name in ("messages", "input", "prompt", "query", "documents"):
        if name in given_body:
            given_body[name] = messages
    before = repr(given_body)
    with contextlib.suppress(RequestRejected):
        Exchange(operation, given_body, target(adapter)).request(NOW)
    assert repr(given_body) == before


def files(adapter: str) -> list[Path]:
    return sorted(path for path in (RECORDINGS / adapter).glob("*.*") if path.suffix in {".json", *STREAMS})


def operation_of(path: Path) -> str:
    named = ("embeddings", "rerank", "moderations", "detokenize", "tokenize")
    return next((each for each in named if each in path.stem), "chat.completions")


def sent(path: Path) -> bytes:
    return framed(path.read_bytes()) if path.suffix == ".frames" else path.read_bytes()


def framed(lines: bytes) -> bytes:
    """Return each line, an object of one event, as a frame of AWS's event stream; what is no such line as it is."""
    return b"".join(_frame(line) for line in lines.splitlines() if line.strip())


def _frame(line: bytes) -> bytes:
    try:
        ((name, payload),) = json.loads(line).items()
    except (ValueError, AttributeError):
        return line
    said = {":message-type": "event", ":event-type": name[:200], ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for key, value in said.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    begun = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return begun + struct.pack(">I", zlib.crc32(begun))


def whole(adapter: str, operation: str, body: bytes, status: int = 200, kind: str = "application/json") -> Any:
    """Return the answer, or the error that it is. Anything else is raised."""
    exchange = Exchange(operation, BODIES[operation], target(adapter))
    response = Response(status, {"content-type": kind, "retry-after": "3"}, body)
    try:
        exchange.follow(response)
        answer, _ = exchange.answer(response)
    except UpstreamError as error:
        return error
    return answer


def read(adapter: str, stream: bytes, cut: int = 100_000) -> tuple[list[Any], UpstreamError | None]:
    body = {**BODIES["chat.completions"], "stream": True, "stream_options": {"include_usage": True}}
    reader = Exchange("chat.completions", body, target(adapter)).reader()
    chunks = []
    for at in range(0, len(stream), cut):
        if reader.done:
            break
        chunks += reader.feed(stream[at : at + cut])
    return (chunks if reader.done else chunks + reader.close()), reader.error


@pytest.mark.parametrize("adapter", NATIVE)
def test_every_adapter_has_answers_to_be_tried_with(adapter):
    tried = {operation_of(path) for path in files(adapter)}
    known = ADAPTERS[adapter].operations
    assert {"chat.completions"} <= tried if "chat.completions" in known else set(known) <= tried
    assert any(path.suffix in STREAMS for path in files(adapter)) is ("chat.completions" in known)


CONTRACTS = [pytest.param(path.parent.name, path, id=f"{path.parent.name}-{path.name}")
             for path in sorted(RECORDINGS.glob("*/contract*")) if path.parent.name in ADAPTERS]  # fmt: skip


@pytest.mark.parametrize(("adapter", "path"), CONTRACTS)
def test_an_answer_written_for_the_contract_is_a_good_one(adapter, path):
    if path.suffix == ".json":
        answer = whole(adapter, operation_of(path), path.read_bytes())
        assert isinstance(answer, dict), answer
        assert any(name in answer for name in ("choices", "data", "results", "tokens", "text"))
        return
    chunks, error = read(adapter, sent(path), 7)
    assert error is None
    plain = whole(adapter, "chat.completions", path.with_suffix(".json").read_bytes())
    (told,), (expected,) = choices(seen(chunks)), plain["choices"]
    assert told["finish_reason"] == expected["finish_reason"]
    assert _essence(told["message"]) == _essence(expected["message"])
    assert [chunk.usage for chunk in chunks if chunk.usage][-1] == plain["usage"]


def _essence(message: dict[str, Any]) -> dict[str, Any]:
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return {"calls": calls, **{name: message.get(name) or "" for name in ("content", "reasoning_content")}}


VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d+(?:\.\d+)?|true|false|null')
KEY = re.compile(rb'"(?:[^"\\]|\\.)*"(?=\s*:)')
STRANGE = st.sampled_from(
    [b"null", b"5", b'"x"', b"[]", b"{}", b"true", b"[{}]", b"[null]", b"[5]", b"1e999", b"-1", b'"\\ud800"', b'""',
     b"123456789012345678901234567890", b'{"a":{"b":[]}}', b'"\xff"', b"NaN", b"[" * 5000]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw ``data`` with one or two things wrong: cut, flipped, doubled, in another order, of another kind."""
    for damage in draw(st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=2)):
        data = damage(draw, data)
    return data


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _flipped(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, max(0, len(data) - 1)))
    return data[:at] + draw(st.binary(max_size=3)) + data[at + 1 :]


def _doubled(draw: st.DrawFn, data: bytes) -> bytes:
    begin, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
    return data[:end] + data[begin:]


def _reordered(draw: st.DrawFn, data: bytes) -> bytes:
    separator = b"\n\n" if b"\n\n" in data else b"\n"
    return separator.join(draw(st.permutations(data.split(separator)[:40])))


def _of_another_kind(draw: st.DrawFn, data: bytes) -> bytes:
    return _replaced(draw, data, VALUE, STRANGE)


def _misnamed(draw: st.DrawFn, data: bytes) -> bytes:
    return _replaced(draw, data, KEY, st.sampled_from([b'"x"', b'"index"', b'"error"', b'"type"', b'"choices"']))


def _replaced(draw: st.DrawFn, data: bytes, what: re.Pattern[bytes], by: st.SearchStrategy[bytes]) -> bytes:
    found = list(what.finditer(data))
    if not found:
        return data
    place = draw(st.sampled_from(found))
    return data[: place.start()] + draw(by) + data[place.end() :]


DAMAGES = (_cut, _flipped, _doubled, _reordered, _of_another_kind, _of_another_kind, _misnamed)


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_answer_is_an_error_with_a_name_or_can_be_read(group, data):
    adapter = data.draw(st.sampled_from(group))
    path = data.draw(st.sampled_from([path for path in files(adapter) if path.suffix == ".json"]))
    status = data.draw(st.sampled_from([200, 200, 200, 200, 201, 400, 401, 404, 429, 500, 503]))
    answer = whole(adapter, operation_of(path), data.draw(damaged(path.read_bytes())), status)
    assert isinstance(answer, dict | UpstreamError)
    if isinstance(answer, dict):
        json.dumps(answer)


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_stream_is_an_error_with_a_name_or_can_be_read(group, data):
    adapter = data.draw(st.sampled_from([each for each in group if "chat.completions" in ADAPTERS[each].operations]))
    path = data.draw(st.sampled_from([path for path in files(adapter) if path.suffix in STREAMS]))
    stream = data.draw(damaged(path.read_bytes()))
    if path.suffix == ".frames":
        stream = framed(stream)
        stream = data.draw(st.just(stream) | damaged(stream))
    chunks, error = read(adapter, stream, data.draw(st.sampled_from([1, 7, 100_000])))
    assert error is None or isinstance(error, UpstreamError)
    splitter = Splitter()
    events = [each for chunk in chunks for each in splitter.feed(chunk.wire())]
    assert all(isinstance(json.loads(event.data.decode(errors="replace")), dict) for event in events)


HOPELESS: list[bytes] = [
    b"", b" ", b"null", b"5", b'"x"', b"[]", b"{}", b"[" * 100_000, b"\xff\xfe\x00", b"<html>502 Bad Gateway</html>",
    b'{"a":' * 5_000, b"data: \xff\n\n", b"data: {}\n\n", b'data: "x"\n\n', b"event: error\n\n",
    b"data: " + b"x" * 1_100_000, b"\x00" * 64,
]  # fmt: skip


def hopeless() -> Iterator[Any]:
    for number, body in enumerate(HOPELESS):
        yield pytest.param(body, id=f"{number}-{body[:12]!r}")


@pytest.mark.parametrize("body", list(hopeless()))
def test_what_is_no_answer_at_all_is_an_error_with_a_name(body):
    for adapter in NATIVE:
        for operation in ADAPTERS[adapter].operations:
            answer = whole(adapter, operation, body)
            assert isinstance(answer, UpstreamError), (adapter, operation, answer)
        _, error = read(adapter, body)
        assert isinstance(error, UpstreamError), adapter


@pytest.mark.parametrize("adapter", NATIVE)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_stream_that_is_cut_says_so_and_keeps_what_came(adapter, share):
    for path in files(adapter):
        if path.suffix in STREAMS:
            stream = sent(path)
            whole_text = "".join(chunk.text for chunk in read(adapter, stream)[0])
            chunks, error = read(adapter, stream[: int(len(stream) * share)])
            assert whole_text.startswith("".join(chunk.text for chunk in chunks))
            assert error is None or isinstance(error, StreamCut), (path, error)
            assert share or error is not None
