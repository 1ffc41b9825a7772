"""Responses of upstreams that speak them: what they are asked, and that what they say is what callers hear."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fieldchecks import Invalid
from gateway.responses import native, request, ways
from gateway.responses.answer import Draft
from gateway.responses.request import checked, items_of
from gateway.validation import validate
from providers.adapters.shapes import Response
from providers.caching import Caching
from providers.errors import StreamCut, UpstreamError
from providers.plan import Group, Plan
from providers.targets import Route, Target, Upstream
from tests.conformance import shared
from tests.gateway.responses import specification
from tests.gateway.responses.test_answer_pure import answer, draft
from tests.providers.exchanged import NOW, exchange

OPENAI = "https://api.openai.com/v1"


def asked(input: Any = "Hi", before: tuple[dict[str, Any], ...] = (), **body: Any) -> dict[str, Any]:
    wanted = checked({"input": input, **body})
    return native.body(wanted, [*before, *items_of(input)])


def test_all_is_sent_along_and_nothing_is_stored_there():
    sent = asked(
        [{"role": "user", "content": "And now?"}],
        (*items_of("Hi"), *draft().finished(answer(content="Ho"))["output"]),
        model="gpt", previous_response_id="resp_1", metadata={"a": "b"}, store=True, temperature=0.5,
    )  # fmt: skip
    assert sent == {
        "model": "gpt",
        "store": False,
        "temperature": 0.5,
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {
                "type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "Ho", "annotations": []}],
            },
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And now?"}]},
        ],
    }  # fmt: skip
    assert validate("responses", sent) == sent


SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [], "encrypted_content": "gAAAA", "status": None}


def test_thoughts_go_back_as_the_upstream_has_sealed_them():
    (ours,) = draft(include=["reasoning.encrypted_content"]).finished(answer("length", reasoning_content="Hm"))[
        "output"
    ]
    sent = asked([SEALED, ours, {"type": "reasoning", "summary": []}, {"role": "user", "content": "Hi"}])
    assert sent["input"][:-1] == [{"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}]
    assert sent["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize(("body", "included"), [
    ({}, None),
    ({"reasoning": {"effort": "none"}}, None),
    ({"reasoning": {"effort": "low"}}, ["reasoning.encrypted_content"]),
    ({"reasoning": {"effort": "low"}, "include": ["message.output_text.logprobs"]},
     ["message.output_text.logprobs", "reasoning.encrypted_content"]),
    ({"include": ["reasoning.encrypted_content"]}, ["reasoning.encrypted_content"]),
])  # fmt: skip
def test_thoughts_are_asked_for_of_models_that_think(body, included):
    assert asked(**body).get("include") == included


def test_files_go_as_their_data():
    parts = [
        {"type": "input_image", "file_id": "file-1", "image_url": "data:image/png;base64,AA==", "filename": "a.png"},
        {
            "type": "input_file",
            "file_id": "file-2",
            "file_data": "data:application/pdf;base64,AA==",
            "filename": "a.pdf",
        },
    ]
    sent = asked([{"role": "user", "content": parts}])["input"][0]["content"]
    assert sent == [
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
    ]


def test_calls_go_without_what_only_other_models_want_back():
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    assert asked([{**call, "id": "fc_1", "status": "completed", "extra_content": {"google": {}}}])["input"] == [call]


@pytest.mark.parametrize(("body", "param"), [
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "name": "f"}, {"type": "code_interpreter"}]}, "tools[1].type"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
])  # fmt: skip
def test_what_costs_more_than_its_tokens_is_refused(body, param):
    with pytest.raises(Invalid) as refusal:
        asked(**body)
    assert refusal.value.param == param


def test_tools_on_the_callers_side_are_passed_on():
    assert asked(tools=[{"type": "apply_patch"}], tool_choice={"type": "apply_patch"})["tools"] == [
        {"type": "apply_patch"}
    ]


def plan(*providers: Upstream, operations: tuple[str, ...] = ("chat.completions", "responses")) -> Plan:
    targets = tuple(Target(at, provider, "m") for at, provider in enumerate(providers))
    return Plan((Group("m", Route("m", operations=operations, targets=targets), targets),))


SPEAKS = Upstream("a", "openai", OPENAI)


@pytest.mark.parametrize(("asked_of", "expected"), [
    (plan(SPEAKS), True),
    (plan(SPEAKS, Upstream("b", "azure", "https://x.openai.azure.com/openai/v1")), True),
    (plan(SPEAKS, Upstream("b", "anthropic", "https://api.anthropic.com")), False),
    (plan(SPEAKS, Upstream("b", "openai", "http://localhost:8000/v1")), False),
    (plan(SPEAKS, operations=("chat.completions",)), False),
    (plan(SPEAKS)._replace(context=plan(Upstream("b", "groq", "https://a.example")).groups), False),
])  # fmt: skip
def test_is_asked_so_where_everybody_understands_it(asked_of, expected):
    assert native.is_spoken_by(asked_of) is expected


def test_answers_that_are_to_be_kept_are_those_of_chats():
    asked_of = plan(SPEAKS)
    cached = replace(asked_of.groups[0].route, cache=Caching(60))
    assert ways.way_of(asked_of) is ways.NATIVE
    assert ways.way_of(asked_of._replace(groups=(asked_of.groups[0]._replace(route=cached),))) is ways.CHAT


@cache
def recorded(streamed: bool) -> list[Any]:
    """Return (name, request, answer) of every recorded exchange that an upstream answered."""
    if not shared.PRESENT:
        return []
    read = shared.module(shared.CASSETTES / "read_cassettes.py").interactions
    found = []
    for path in sorted((shared.CASSETTES / "openai").iterdir()):
        if b"/v1/responses" not in path.read_bytes():
            continue
        for at, each in enumerate(read(path)):
            if each["method"] == "POST" and each["url"].endswith("/responses") and each["status"] == 200:
                sent = json.loads(each["req_body"])
                if bool(sent.get("stream")) is streamed:
                    found.append(pytest.param(sent, each["body"], id=f"{path.stem[:60]}-{at}"))
    return found


def drafted(sent: dict[str, Any]) -> Draft:
    return Draft(checked(sent), "resp_ours", 1, sent["model"], sent.get("previous_response_id"))


def is_as_held(response: dict[str, Any], held: dict[str, Any]) -> None:
    """What is the caller's and the gateway's to say is theirs; all else is the upstream's."""
    assert response["id"] != held["id"]
    assert [without_empty(item) for item in response["output"]] == [without_empty(item) for item in held["output"]]
    same = response.keys() & held.keys() - native.OWN - {"usage", "output"}
    assert {name: response[name] for name in same} == {name: held[name] for name in same}
    for name in ("input_tokens", "output_tokens", "total_tokens", "output_tokens_details"):
        assert response["usage"][name] == held["usage"][name]
    assert held["usage"]["input_tokens_details"].items() <= response["usage"]["input_tokens_details"].items()


def without_empty(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without what older answers did not say of its texts."""
    parts = [{name: value for name, value in part.items() if value != []} for part in item.get("content") or ()]
    return {**item, "content": parts}


@specification.needed
@pytest.mark.parametrize(("sent", "held"), recorded(streamed=False))
def test_a_recorded_answer_is_what_callers_get(sent, held):
    spoken, _ = exchange("openai", sent, operation="responses", url=OPENAI).answer(Response(200, {}, held))
    response = native.adopted(drafted(sent), spoken)
    is_as_held(response, json.loads(held))
    assert specification.openai("Response", response) == []


@specification.needed
@pytest.mark.parametrize("cut", [7, 4096])
@pytest.mark.parametrize(("sent", "held"), recorded(streamed=True))
def test_a_recorded_stream_is_what_callers_get(sent, held, cut):
    writer = native.NativeWriter(drafted(sent))
    events = writer.begin()
    reader = exchange("openai", sent, operation="responses", url=OPENAI).reader()
    pieces = [held[at : at + cut] for at in range(0, len(held), cut)]
    for chunk in (chunk for piece in pieces for chunk in reader.feed(piece)):
        events += writer.feed(chunk.data)
    assert reader.done
    assert reader.error is None
    events += writer.end()
    told = [json.loads(line[6:]) for line in held.splitlines() if line.startswith(b"data: {")]
    assert [event["sequence_number"] for event in events] == list(range(len(told)))
    for event, original in zip(events[2:-1], told[2:-1], strict=True):
        assert {**event, "sequence_number": 0} == {**original, "sequence_number": 0}
    assert events[-1]["type"] == told[-1]["type"]
    is_as_held(events[-1]["response"], told[-1]["response"])
    assert writer.items() == told[-1]["response"]["output"]
    assert writer.response == events[-1]["response"]


@specification.needed
@pytest.mark.parametrize(("sent", "held"), recorded(streamed=False) + recorded(streamed=True))
def test_recorded_requests_can_be_asked_again(sent, held):
    wanted = checked(sent)
    again = native.body(wanted, items_of(wanted["input"]))
    request_, body = exchange("openai", again, operation="responses", url=OPENAI, model="up").request(NOW), again
    assert request_.path == "/responses"
    assert json.loads(request_.body) == {**body, "model": "up"}
    for name in ("tools", "tool_choice", "text", "reasoning", "instructions", "max_output_tokens", "temperature"):
        assert again.get(name) == sent.get(name)
    chat = request.chat_body(wanted, items_of(wanted["input"]))
    assert validate("chat.completions", chat) == chat


@given(st.sampled_from([b"", b"data: [DONE]\n\n", b": ping\n\n"]))
def test_a_stream_without_its_end_is_cut(rest):
    reader = exchange("openai", {"stream": True}, operation="responses", url=OPENAI).reader()
    assert reader.feed(b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n' + rest)[0].text == "Hi"
    assert reader.close() == []
    assert isinstance(reader.error, StreamCut)


@pytest.mark.parametrize("event", [
    b'data: {"type":"error","code":"server_error","message":"Oh no","param":null,"sequence_number":3}\n\n',
    b'data: {"type":"error","error":{"type":"server_error","code":null,"message":"Oh no","param":null}}\n\n',
    b'data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"Oh no"}}}\n\n',
    b'data: {"type":"response.completed"}\n\n',
    b"data: {\n\n",
    b"data: []\n\n",
])  # fmt: skip
def test_a_stream_that_fails_says_so(event):
    reader = exchange("openai", {"stream": True}, operation="responses", url=OPENAI).reader()
    assert reader.feed(event) == []
    assert isinstance(reader.error, UpstreamError)
    assert not reader.finished


def test_a_failed_answer_is_an_error():
    failed = {
        "id": "resp_1",
        "status": "failed",
        "error": {"code": "rate_limit_exceeded", "message": "Slow"},
        "output": [],
    }
    with pytest.raises(UpstreamError):
        exchange("openai", {}, operation="responses", url=OPENAI).answer(Response(200, {}, json.dumps(failed).encode()))


def test_what_a_stream_begins_with_is_not_shown_yet():
    """So that another target is asked where nothing follows."""
    reader = exchange("openai", {"stream": True}, operation="responses", url=OPENAI).reader()
    chunks = reader.feed(
        b'data: {"type":"response.created","response":{}}\n\ndata: {"type":"response.in_progress"}\n\n'
    )
    assert [chunk.raw for chunk in chunks] == [b"", b""]


def test_the_last_chunk_tells_what_was_used_and_at_which_tier():
    reader = exchange("openai", {"stream": True}, operation="responses", url=OPENAI).reader()
    ended = {"type": "response.completed", "response": {"usage": {"input_tokens": 3}, "service_tier": "flex"}}
    (chunk,) = reader.feed(b"data: " + json.dumps(ended).encode() + b"\n\n")
    assert chunk.usage == {"input_tokens": 3}
    assert chunk.data["service_tier"] == "flex"
    assert reader.done


@pytest.mark.parametrize(("provider", "expected"), [
    (Upstream("a", "openai", OPENAI), True),
    (Upstream("a", "openai", "https://api.openai.com.example/v1"), False),
    (Upstream("a", "openai", OPENAI, quirks={"responses": False}), False),
    (Upstream("a", "openai", "http://localhost:8000/v1", quirks={"responses": True}), True),
    (Upstream("a", "azure", "https://x.openai.azure.com"), False),
    (Upstream("a", "azure", "https://x.openai.azure.com", options={"api": "v1"}), True),
    (Upstream("a", "anthropic", "https://api.anthropic.com", quirks={"responses": True}), False),
])  # fmt: skip
def test_who_speaks_responses(provider, expected):
    assert native.are_spoken_by(provider) is expected


def test_azure_is_asked_at_its_own_address():
    request_ = exchange(
        "azure", {"input": []}, operation="responses", url="https://x.openai.azure.com/openai/v1"
    ).request(NOW)
    assert request_.path == "/responses"
    assert ("api-key", "sk-upstream-secret") in request_.headers
