"""Responses passed through to an upstream that speaks them: asked natively, told as ours, billed by its counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.gateway.responses import specification
from tests.gateway.responses.clients import client_of, conforms, event_conforms
from tests.gateway.responses.test_native_pure import is_as_held, recorded
from tests.live import Gateway
from tests.upstream import Upstream, chat

pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")

ROUTES = """
providers:
  - {{name: native, adapter: openai, base_url: "{url}", secret: upstream-secret, quirks: {{responses: true}},
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
routes:
  - {{model: native, retries: 0, targets: [{{provider: native, upstream_model: gpt-1}}]}}
  - {{model: mixed, retries: 0, targets: [{{provider: native, upstream_model: gpt-1, priority: 0}},
      {{provider: fake, upstream_model: upstream-1, priority: 1}}]}}
prices:
  - {{provider: native, upstream_model: gpt-1, from: 2026-01-01, input: 2.50, cached_input: 1.25, output: 10.00}}
"""
USAGE = {
    "input_tokens": 20, "input_tokens_details": {"cached_tokens": 12}, "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 29,
}  # fmt: skip
SEALED = {"id": "rs_up", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}


def message(text: str, status: str = "completed") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    content = [part] if text else []
    return {"id": "msg_up", "type": "message", "status": status, "role": "assistant", "content": content}


def spoken(status: str = "completed", **changes: Any) -> dict[str, Any]:
    """Return a Response as the upstream writes it."""
    return {
        "id": "resp_up", "object": "response", "created_at": 1, "status": status, "error": None, "model": "gpt-1-2026",
        "output": [SEALED, message("Hello!")], "usage": USAGE, "store": False, "service_tier": "default", **changes,
    }  # fmt: skip


def events(*told: dict[str, Any]) -> list[str]:
    return [
        f"event: {each['type']}\ndata: {json.dumps({**each, 'sequence_number': at})}\n\n"
        for at, each in enumerate(told)
    ]


BEGINNING = {"type": "response.created", "response": spoken("in_progress", output=[], usage=None)}
DELTA = {"item_id": "msg_up", "output_index": 0, "content_index": 0, "logprobs": []}
HELLO = (
    BEGINNING,
    {"type": "response.output_item.added", "output_index": 0, "item": message("", "in_progress")},
    {"type": "response.output_text.delta", "delta": "Hel", **DELTA},
    {"type": "response.output_text.delta", "delta": "lo!", **DELTA},
    {"type": "response.output_item.done", "output_index": 0, "item": message("Hello!")},
)


@pytest.fixture(scope="module")
def routes(gateway: Gateway, fake_upstream: Upstream) -> None:
    gateway.apply(ROUTES.format(url=fake_upstream.url))


@pytest.fixture
def client(gateway: Gateway, routes: None) -> Iterator[openai.OpenAI]:
    with client_of(gateway) as made:
        yield made


def test_is_asked_natively_and_continued_from_what_is_kept_here(
    client: openai.OpenAI, upstream: Upstream, gateway: Gateway
):
    upstream.will_answer(body=spoken())
    upstream.will_answer(body=spoken(output=[message("Again!")]))
    made = client.responses.with_raw_response.create(model="native", input="Hi", reasoning={"effort": "low"})
    first = made.parse()
    assert conforms(json.loads(made.text))
    assert (first.output_text, first.store, first.model) == ("Hello!", True, "gpt-1-2026")
    assert first.id != "resp_up"
    asked = upstream.requests[-1]
    assert asked["path"] == "/v1/responses"
    assert (asked["body"]["store"], asked["body"]["include"]) == (False, ["reasoning.encrypted_content"])
    record = gateway.record(made.headers["x-request-id"])
    assert (record["operation"], record["status"], record["provider"]) == ("responses", "completed", "native")
    assert (record["input_tokens"], record["cached_input_tokens"]) == (8, 12)
    assert (record["output_tokens"], record["reasoning_tokens"]) == (5, 4)

    second = client.responses.create(model="native", input="Again", previous_response_id=first.id)
    assert (second.output_text, second.previous_response_id) == ("Again!", first.id)
    sent = upstream.requests[-1]["body"]
    assert "previous_response_id" not in sent
    assert [item["type"] for item in sent["input"]] == ["message", "reasoning", "message", "message"]
    assert sent["input"][1] == {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    assert client.responses.retrieve(second.id).output_text == "Again!"


def test_its_stream_is_told_as_ours(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    upstream.will_stream(events(*HELLO, {"type": "response.completed", "response": spoken(output=[message("Hello!")])}))
    raw = gateway.post("/v1/responses", {"model": "native", "input": "Hi", "stream": True})
    told = [json.loads(line[6:]) for line in raw.text.splitlines() if line.startswith("data: ")]
    assert all(map(event_conforms, told))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert [event["delta"] for event in told if "delta" in event] == ["Hel", "lo!"]
    assert told[-1]["type"] == "response.completed"
    assert conforms(told[-1]["response"])
    assert gateway.get(f"/v1/responses/{told[-1]['response']['id']}").json() == told[-1]["response"]
    record = gateway.record(raw.headers["x-request-id"])
    assert (record["input_tokens"], record["cached_input_tokens"], record["reasoning_tokens"]) == (8, 12, 4)


def test_a_stream_that_fails_over_there_fails_here(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    error = {"code": "server_error", "message": "The server had an error."}
    failed = {"type": "response.failed", "response": spoken("failed", error=error)}
    upstream.will_stream(events(*HELLO[:3], failed))
    raw = gateway.post("/v1/responses", {"model": "native", "input": "Hi", "stream": True})
    last = json.loads(raw.text.splitlines()[-2][6:])
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["code"] == "server_error"
    upstream.will_stream(events(BEGINNING, failed))
    assert gateway.post("/v1/responses", {"model": "native", "input": "Hi", "stream": True}).status_code >= 500


def test_is_a_chat_where_one_target_speaks_nothing_else(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(body=chat("Hello!"))
    assert client.responses.create(model="mixed", input="Hi").output_text == "Hello!"
    assert upstream.requests[-1]["path"] == "/v1/chat/completions"


@specification.needed
@pytest.mark.parametrize(("sent", "held"), recorded(streamed=False))
def test_recorded_answers_are_what_callers_get(
    client: openai.OpenAI, upstream: Upstream, gateway: Gateway, sent: dict[str, Any], held: bytes
):
    upstream.will_answer(body=json.loads(held))
    answered = gateway.post("/v1/responses", renamed(sent))
    is_as_held(answered.json(), json.loads(held))
    used = json.loads(held)["usage"]
    record = gateway.record(answered.headers["x-request-id"])
    assert record["input_tokens"] + record["cached_input_tokens"] == used["input_tokens"]
    assert record["output_tokens"] + record["reasoning_tokens"] == used["output_tokens"]


@specification.needed
@pytest.mark.parametrize(("sent", "held"), recorded(streamed=True))
def test_recorded_streams_are_what_callers_get(
    client: openai.OpenAI, upstream: Upstream, gateway: Gateway, sent: dict[str, Any], held: bytes
):
    upstream.will_stream([held.decode()])
    answered = gateway.post("/v1/responses", renamed(sent))
    told, original = (
        [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        for text in (answered.text, held.decode())
    )
    assert [event["type"] for event in told] == [event["type"] for event in original]
    assert [event.get("delta") for event in told] == [event.get("delta") for event in original]
    is_as_held(told[-1]["response"], original[-1]["response"])


def renamed(sent: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded request for the upstream's model; what it went on from was never here."""
    return {**sent, "model": "native", "previous_response_id": None}


def test_tools_that_cost_more_than_tokens_are_refused(client: openai.OpenAI, upstream: Upstream):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="native", input="Hi", tools=[{"type": "web_search"}])
    assert refused.value.param == "tools[0].type"
    assert upstream.requests == []


def test_made_in_the_background_it_is_the_same(client: openai.OpenAI, upstream: Upstream):
    upstream.will_stream(events(*HELLO, {"type": "response.completed", "response": spoken(output=[message("Hello!")])}))
    with client.responses.create(model="native", input="Hi", background=True, stream=True) as stream:
        told = list(stream)
    assert [event.type for event in told][:3] == ["response.created", "response.queued", "response.in_progress"]
    assert told[-1].type == "response.completed"
    assert client.responses.retrieve(told[-1].response.id).output_text == "Hello!"
