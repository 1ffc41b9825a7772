"""Anthropic's own client in front of a live gateway: the demo, an upstream of OpenAI's format, Claude."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.gateway.messages.putting import events_of, put_together
from tests.gateway.messages.test_answer_pure import NATIVE, native_events, sse
from tests.live import Gateway
from tests.upstream import Upstream, chat, chunk, streamed

HELLO = {"model": "fake", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CLAUDE = """
providers:
  - {{name: claude, adapter: anthropic, base_url: "{url}", secret: claude-secret,
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
routes:
  - {{model: claude, retries: 0, targets: [{{provider: claude, upstream_model: claude-sonnet-4-5}}]}}
  - {{model: claude-or-gpt, retries: 0, targets: [
      {{provider: claude, upstream_model: claude-sonnet-4-5, priority: 0}},
      {{provider: fake, upstream_model: upstream-1, priority: 1}}]}}
prices:
  - {{provider: claude, upstream_model: claude-sonnet-4-5, from: 2026-01-01, input: 3.00, cached_input: 0.30,
      cache_write: 3.75, output: 15.00}}
"""


@pytest.fixture(scope="module")
def claude(gateway: Gateway, fake_upstream: Upstream) -> None:
    gateway.apply(CLAUDE.format(url=fake_upstream.url))


@pytest.fixture
def client(gateway: Gateway, upstream: Upstream, claude: None) -> Iterator[anthropic.Anthropic]:
    with client_of(gateway) as opened:
        yield opened


def client_of(gateway: Gateway, key: str = "", **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.base, api_key=key or gateway.key, max_retries=0, **options)


def request_id(raised: pytest.ExceptionInfo[anthropic.APIStatusError]) -> str:
    said = raised.value.body["request_id"]
    assert said == raised.value.request_id == raised.value.response.headers["x-request-id"]
    return said


# the demo, and an upstream of OpenAI's format ------------------------------------------------------------------------


def test_the_demo_answers_whole_streamed_and_with_a_call(client: anthropic.Anthropic, gateway: Gateway):
    asked = {**HELLO, "model": "demo"}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text
        final = stream.get_final_message()
    assert (final.content[0].text, final.stop_reason, final.usage) == (
        whole.content[0].text, "end_turn", whole.usage,
    )  # fmt: skip
    (call,) = client.messages.create(**asked, tools=[TOOL]).content
    assert (call.type, call.name, call.input) == ("tool_use", "f", {"a": 1})
    record = gateway.record(whole._request_id)
    assert (record["operation"], record["status"], record["model"]) == ("messages", "completed", "demo")
    assert (record["input_tokens"], record["output_tokens"]) == (whole.usage.input_tokens, whole.usage.output_tokens)


def test_the_asynchronous_client_streams_too(gateway: Gateway):
    async def told() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=gateway.base, api_key=gateway.key, max_retries=0) as client:
            stream = await client.messages.create(**{**HELLO, "model": "demo"}, stream=True)
            return [event.type async for event in stream]

    kinds = asyncio.run(told())
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])


def test_tools_pictures_and_thoughts_reach_a_model_of_another_kind(client: anthropic.Anthropic, upstream: Upstream):
    message = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [CALL]}
    upstream.will_answer(body=chat(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}]))
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    asked = {**HELLO, "messages": [{"role": "user", "content": [picture, {"type": "text", "text": "?"}]}]}
    first = client.messages.create(
        **asked, tools=[TOOL], system="S", thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    assert (first.stop_reason, first.usage.input_tokens, first.usage.output_tokens) == ("tool_use", 10, 5)
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": [picture]}
    asked["messages"] += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert client.messages.create(**asked, tools=[TOOL]).content[0].text == "Hello!"
    said = upstream.requests[-1]["body"]
    assert [each["role"] for each in said["messages"]] == ["user", "assistant", "tool", "user"]
    assert said["messages"][1] == {"role": "assistant", "content": None, "tool_calls": [
        {**CALL, "function": {"name": "f", "arguments": '{"a":1}'}}]}  # fmt: skip
    assert said["messages"][3]["content"][0]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert (said["max_completion_tokens"], said["tools"][0]["function"]["name"]) == (100, "f")


def test_a_stream_of_thoughts_words_and_calls(client: anthropic.Anthropic, upstream: Upstream):
    deltas = [
        {"role": "assistant", "content": ""}, {"reasoning_content": "h"}, {"reasoning_content": "m"},
        {"content": "Good"}, {"content": " day"}, {"tool_calls": [{"index": 0, **CALL}]},
    ]  # fmt: skip
    events = [*map(chunk, deltas), chunk({}, "tool_calls"), chunk(usage={"prompt_tokens": 7, "completion_tokens": 3})]
    upstream.will_stream([f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"])
    with client.messages.stream(**HELLO) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use"]
    assert (final.content[0].thinking, final.content[1].text, final.content[2].input) == ("hm", "Good day", {"a": 1})
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("tool_use", 7, 3)


def test_a_schema_is_asked_for_and_parsed(client: anthropic.Anthropic, upstream: Upstream):
    upstream.will_answer(body=chat('{"a":1}'))
    schema = {**TOOL["input_schema"], "additionalProperties": False}
    format = {"type": "json_schema", "schema": schema}
    answer = client.messages.create(**HELLO, output_config={"format": format})
    assert json.loads(answer.content[0].text) == {"a": 1}
    assert upstream.requests[-1]["body"]["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_both_versions_and_both_headers_of_the_key_are_taken(gateway: Gateway, version: str, header: str):
    headers = {"anthropic-version": version, "anthropic-beta": "some-2026-01-01,other"}
    key = gateway.key if header == "x-api-key" else f"Bearer {gateway.key}"
    with gateway.client() as plain:
        del plain.headers["authorization"]
        answer = plain.post("/v1/messages?beta=true", json={**HELLO, "model": "demo"}, headers={**headers, header: key})
    assert answer.status_code == 200, answer.text
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert float(answer.headers["x-tollgate-cost"]) > 0


# an upstream that speaks Messages ------------------------------------------------------------------------------------


def test_claude_is_asked_in_the_callers_words_and_answers_in_its_own(
    client: anthropic.Anthropic, upstream: Upstream, gateway: Gateway
):
    upstream.will_answer(body=NATIVE)
    mark = {"cache_control": {"type": "ephemeral"}}
    picture = {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}, **mark}
    messages = [*HELLO["messages"], {"role": "assistant", "content": NATIVE["content"]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [picture], "is_error": True},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": "x"}]}]  # fmt: skip
    asked = {"model": "claude", "max_tokens": 5000, "messages": messages, "stop_sequences": ["END"],
             "system": [{"type": "text", "text": "S", **mark}], "tools": [{**TOOL, **mark}],
             "thinking": {"type": "enabled", "budget_tokens": 1024}}  # fmt: skip
    answer = client.messages.create(**asked)
    sent = upstream.requests[-1]
    assert sent["path"] == "/v1/messages"
    assert sent["body"] == {**asked, "model": "claude-sonnet-4-5"}
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("claude-secret", "2023-06-01")
    assert gateway.key not in str(sent)
    assert answer.to_dict() == NATIVE
    record = gateway.record(answer._request_id)
    names = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
    assert [record[name] for name in names] == [3, 4, 3, 5]
    assert record["cost"] == 3 * 30_000 + 4 * 3_000 + 3 * 37_500 + 5 * 150_000


def test_claudes_stream_comes_as_it_was(client: anthropic.Anthropic, upstream: Upstream, gateway: Gateway):
    upstream.will_stream([sse(native_events()[at : at + 3]).decode() for at in range(0, len(native_events()), 3)])
    answer = gateway.post("/v1/messages", {**HELLO, "model": "claude", "stream": True})
    assert events_of(answer.content) == native_events()
    assert gateway.record(answer.headers["request-id"])["output_tokens"] == 5
    upstream.will_stream([sse(native_events()).decode()])
    with client.messages.stream(**{**HELLO, "model": "claude"}) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == [block["type"] for block in NATIVE["content"]]
    assert (final.content[0].signature, final.stop_sequence) == ("sig", "END")


def test_another_model_takes_over_from_claude(client: anthropic.Anthropic, upstream: Upstream):
    refusal = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    upstream.will_answer(529, refusal)
    assert client.messages.create(**{**HELLO, "model": "claude-or-gpt"}).content[0].text == "Hello!"
    upstream.will_answer(529, refusal)
    upstream.will_stream(streamed(["Good", " day"]))
    with client.messages.stream(**{**HELLO, "model": "claude-or-gpt"}) as stream:
        assert "".join(stream.text_stream) == "Good day"


# counting ------------------------------------------------------------------------------------------------------------


def test_a_count_is_what_the_call_is_billed_for(client: anthropic.Anthropic, gateway: Gateway):
    asked = {"model": "demo", "messages": [{"role": "user", "content": "Ölflecken, 油污 " * 40}], "tools": [TOOL],
             "system": "S"}  # fmt: skip
    raw = client.messages.with_raw_response.count_tokens(**asked)
    assert "x-tollgate-estimated" not in raw.headers
    assert raw.parse().input_tokens == client.messages.create(max_tokens=5, **asked).usage.input_tokens


def test_claude_counts_for_itself_where_it_does(client: anthropic.Anthropic, upstream: Upstream, gateway: Gateway):
    asked = {"model": "claude", "messages": HELLO["messages"], "tools": [TOOL]}
    upstream.will_answer(body={"input_tokens": 42})
    raw = client.messages.with_raw_response.count_tokens(**asked)
    assert (raw.parse().input_tokens, "x-tollgate-estimated" in raw.headers) == (42, False)
    assert upstream.requests[-1]["path"] == "/v1/messages/count_tokens"
    assert upstream.requests[-1]["body"] == {**asked, "model": "claude-sonnet-4-5"}
    assert recorded(gateway, raw) == ("count_tokens", "completed", 0, 0, 1)
    upstream.will_answer(404, {"detail": "Not Found"})
    raw = client.messages.with_raw_response.count_tokens(**asked)
    assert (raw.parse().input_tokens > 0, raw.headers["x-tollgate-estimated"]) == (True, "true")
    assert recorded(gateway, raw) == ("count_tokens", "upstream_error", 0, 0, 1)


def test_a_count_without_a_vocabulary_is_an_estimate_that_says_so(client: anthropic.Anthropic, gateway: Gateway):
    raw = client.messages.with_raw_response.count_tokens(model="fake", messages=HELLO["messages"])
    assert (raw.parse().input_tokens > 0, raw.headers["x-tollgate-estimated"]) == (True, "true")
    assert recorded(gateway, raw) == ("count_tokens", "completed", 0, 0, 0)
    explained = gateway.get(f"/v1/requests/{raw.headers['x-request-id']}/explain").json()
    assert (explained["operation"], explained["net_cost"], explained["attempts"]) == (
        "count_tokens",
        "0.0000000000",
        [],
    )


def test_counts_are_bound_by_limits_of_requests_as_other_calls_are(gateway: Gateway):
    email = f"counts-{time.time_ns()}@example.com"
    with client_of(gateway, gateway.issue_key(email)) as slow:
        gateway.apply(f"users: [{{email: {email}, limits: {{rpm: 1, tpm: 10}}}}]")
        long = [{"role": "user", "content": "word " * 1000}]
        assert slow.messages.count_tokens(model="demo", messages=long).input_tokens > 1000
        with pytest.raises(anthropic.RateLimitError):
            slow.messages.count_tokens(model="demo", messages=long)


def recorded(gateway: Gateway, raw: Any) -> tuple[Any, ...]:
    record = gateway.record(raw.headers["x-request-id"])
    return tuple(record[name] for name in ("operation", "status", "cost", "input_tokens", "attempts"))


def test_models_are_listed_for_anthropics_client(client: anthropic.Anthropic, gateway: Gateway):
    listed = {model.id: model for model in client.models.list()}
    assert {"demo", "fake", "claude"} <= set(listed)
    assert client.models.retrieve("demo") == listed["demo"]
    assert listed["demo"].type == "model"
    assert set(gateway.get("/v1/models").json()) == {"object", "data"}
    with pytest.raises(anthropic.NotFoundError) as raised:
        client.models.retrieve("nope")
    assert raised.value.body["error"]["type"] == "not_found_error"
    request_id(raised)
    with client_of(gateway, "sk-nobody") as nobody, pytest.raises(anthropic.AuthenticationError) as raised:
        nobody.models.list()
    assert raised.value.body["error"]["type"] == "authentication_error"


# what goes wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "kind", "type"),
    [
        ({"model": "nope"}, anthropic.NotFoundError, "not_found_error"),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
        ({"model": "unpriced"}, anthropic.BadRequestError, "invalid_request_error"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, anthropic.BadRequestError,
         "invalid_request_error"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_are_the_clients_own_errors(
    client: anthropic.Anthropic, more: Any, kind: Any, type: str, stream: bool
):
    with pytest.raises(kind) as raised:
        client.messages.create(**{**HELLO, **more}, stream=stream)
    assert raised.value.body["error"]["type"] == type
    request_id(raised)


def test_an_unknown_key_a_key_without_the_model_and_a_spent_budget(gateway: Gateway, client: anthropic.Anthropic):
    with client_of(gateway, "sk-nobody") as nobody, pytest.raises(anthropic.AuthenticationError) as raised:
        nobody.messages.create(**HELLO)
    assert raised.value.body["error"]["type"] == "authentication_error"
    email = f"msg-{time.time_ns()}@example.com"
    with client_of(gateway, gateway.issue_key(email, models="demo")) as few:
        with pytest.raises(anthropic.PermissionDeniedError) as raised:
            few.messages.create(**HELLO)
        assert raised.value.body["error"]["type"] == "permission_error"
        with pytest.raises(anthropic.PermissionDeniedError):
            few.messages.count_tokens(model="fake", messages=HELLO["messages"])
        ((user,),) = gateway.sql("SELECT id FROM accounts_user WHERE email = %s", email)
        gateway.budget(0, user_id=user)
        with pytest.raises(anthropic.RateLimitError) as raised:
            few.messages.create(**{**HELLO, "model": "demo"})
        assert raised.value.body["error"]["type"] == "billing_error"
        assert raised.value.response.headers["x-should-retry"] == "false"
        assert few.messages.count_tokens(model="demo", messages=HELLO["messages"]).input_tokens > 0


@pytest.mark.parametrize(
    ("status", "kind", "type", "shown"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error", 400),
        (429, anthropic.RateLimitError, "rate_limit_error", 429),
        (500, anthropic.InternalServerError, "api_error", 502),
        (529, anthropic.APIStatusError, "overloaded_error", 529),
    ],
)
@pytest.mark.parametrize("model", ["fake", "claude"])
def test_an_upstreams_trouble_is_said_in_anthropics_words(
    client: anthropic.Anthropic, upstream: Upstream, model: str, status: int, kind: Any, type: str, shown: int
):
    upstream.will_answer(status, {"type": "error", "error": {"type": "x", "message": "trouble"}})
    with pytest.raises(kind) as raised:
        client.messages.create(**{**HELLO, "model": model})
    assert (raised.value.body["error"]["type"], raised.value.status_code) == (type, shown)
    assert raised.value.response.headers["x-tollgate-attempts"] == "1"


@pytest.mark.parametrize("model", ["fake", "claude"])
def test_a_stream_that_breaks_off_ends_in_an_error(
    client: anthropic.Anthropic, upstream: Upstream, gateway: Gateway, model: str
):
    begun = streamed(["Good"], done=False)[:2] if model == "fake" else [sse(native_events()[:6]).decode()]
    upstream.will_stream(begun, cut=True)
    with client.messages.stream(**{**HELLO, "model": model}) as stream:
        with pytest.raises(anthropic.APIStatusError) as raised:
            stream.until_done()
        answered = stream.response.headers["request-id"]
    assert raised.value.body["error"]["type"] == "api_error"
    assert raised.value.body["request_id"] == answered
    record = gateway.record(answered)
    assert (record["status"], record["operation"], record["estimated"]) == ("upstream_error", "messages", True)


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "type"),
    [
        ("POST", "/v1/messages", b"{", 400, "invalid_request_error"),
        ("POST", "/messages", b"[]", 400, "invalid_request_error"),
        ("GET", "/v1/messages", b"", 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", b"{}", 404, "not_found_error"),
        ("POST", "/v1/messages/count_tokens/x/y/z/a/b/c/d", b"{}", 404, "not_found_error"),
        ("POST", "/v1/messages", b'"' + b"x" * (33 * 2**20) + b'"', 413, "request_too_large"),
    ],
)
def test_every_error_below_the_path_has_anthropics_envelope(
    gateway: Gateway, method: str, path: str, content: bytes, status: int, type: str
):
    with gateway.client() as plain:
        answer = plain.request(method, path, content=content, headers={"content-type": "application/json"})
    said = answer.json()
    assert (answer.status_code, said["type"], said["error"]["type"]) == (status, "error", type)
    assert said["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize("model", ["fake", "claude"])
def test_a_client_that_leaves_ends_the_upstreams_work(
    client: anthropic.Anthropic, upstream: Upstream, gateway: Gateway, model: str
):
    words = streamed(["word"] * 100) if model == "fake" else [sse([event]).decode() for event in native_events()]
    upstream.will_stream(words, pause=0.2)
    with client.messages.stream(**{**HELLO, "model": model}) as stream:
        answered = stream.response.headers["request-id"]
        next(iter(stream))
    record = gateway.record(answered)
    assert (record["status"], record["operation"]) == ("client_gone", "messages")
    until = time.monotonic() + 10
    while not upstream.left and time.monotonic() < until:
        time.sleep(0.02)
    assert upstream.left


def test_a_stream_over_the_wire_keeps_to_the_grammar(gateway: Gateway):
    answer = gateway.post("/v1/messages", {**HELLO, "model": "demo", "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert put_together(events_of(answer.content))["stop_reason"] == "end_turn"
