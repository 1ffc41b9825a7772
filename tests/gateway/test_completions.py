"""Text completions of models that only chat, through the outermost door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import Gateway
from tests.upstream import USAGE, Upstream, chat, streamed

PATH = "/v1/completions"
ROUTES = """
providers:
  - {{name: chatting, adapter: openai, base_url: "{url}", secret: sk-1, options: {{allow_private: true}},
     quirks: {{completions: chat}}}}
routes:
  - {{model: chatting, targets: [{{provider: chatting, upstream_model: upstream-1}}]}}
  - {{model: chats-only, operations: [chat.completions], targets: [{{provider: fake, upstream_model: upstream-1}}]}}
prices:
  - {{provider: chatting, upstream_model: upstream-1, from: 2026-01-01, input: 2.5, output: 10}}
"""


@pytest.fixture(scope="module", autouse=True)
def routes(gateway: Gateway, fake_upstream: Upstream) -> None:
    gateway.apply(ROUTES.format(url=fake_upstream.url))


def ask(**said: Any) -> dict[str, Any]:
    return {"model": "chatting", "prompt": "Once upon", **said}


def chunks(text: str) -> Iterator[dict[str, Any]]:
    *events, last = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert last == "[DONE]"
    return map(json.loads, events)


@pytest.mark.parametrize("model", ["chatting", "chats-only"])
def test_a_prompt_is_said_as_a_chat(gateway: Gateway, upstream: Upstream, model: str):
    upstream.will_answer(body=chat(" a time", system_fingerprint="fp"))
    answer = gateway.post(PATH, ask(model=model, temperature=0.5, user="u", top_k=3))
    assert answer.json() == {
        "id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": "upstream-1",
        "system_fingerprint": "fp", "usage": USAGE,
        "choices": [{"text": " a time", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    }  # fmt: skip
    sent = upstream.requests[-1]
    assert sent["path"].endswith("/chat/completions")
    assert sent["body"] == {
        "model": "upstream-1", "messages": [{"role": "user", "content": "Once upon"}], "max_tokens": 16,
        "temperature": 0.5, "user": "u", "top_k": 3,
    }  # fmt: skip


def test_it_stands_in_the_ledger_as_what_was_asked_for(gateway: Gateway, upstream: Upstream):
    answer = gateway.post(PATH, ask())
    record = gateway.record(answer.headers["x-request-id"])
    assert (record["operation"], record["input_tokens"], record["output_tokens"]) == ("completions", 10, 5)
    assert answer.headers["x-tollgate-cost"] == "0.0000750000"


def test_an_upstream_that_completes_is_asked_to(gateway: Gateway, upstream: Upstream):
    upstream.will_answer(body={"object": "text_completion", "choices": [], "usage": USAGE})
    gateway.post(PATH, ask(model="fake"))
    assert upstream.requests[-1]["path"].endswith("/v1/completions")


def test_a_stream_is_one_of_completions(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed([" a", " time"]))
    answer = gateway.post(PATH, ask(stream=True, stream_options={"include_usage": True}))
    told = list(chunks(answer.text))
    assert {(each["id"], each["object"]) for each in told} == {("cmpl-1", "text_completion")}
    assert "".join(choice["text"] for each in told for choice in each["choices"]) == " a time"
    assert [choice["finish_reason"] for each in told for choice in each["choices"]][-1] == "stop"
    assert told[-1]["usage"] == USAGE
    assert gateway.record(answer.headers["x-request-id"])["operation"] == "completions"


def test_usage_is_streamed_to_who_asked_for_it_only(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed(["x"]))
    assert not any(each.get("usage") for each in chunks(gateway.post(PATH, ask(stream=True)).text))


@pytest.mark.parametrize("stream", [False, True])
def test_the_prompt_is_repeated_where_that_is_asked_for(gateway: Gateway, upstream: Upstream, stream: bool):
    upstream.will_stream(streamed([" a time"])) if stream else upstream.will_answer(body=chat(" a time"))
    answer = gateway.post(PATH, ask(stream=stream, echo=True))
    told = chunks(answer.text) if stream else [answer.json()]
    assert "".join(choice["text"] for each in told for choice in each["choices"]) == "Once upon a time"


def test_several_prompts_are_one_completion_with_the_sum_of_what_they_used(gateway: Gateway, upstream: Upstream):
    said = {"completion_tokens_details": {"reasoning_tokens": 2}}
    two = [{**choice, "index": index} for index, choice in enumerate(chat("x")["choices"] * 2)]
    for _ in range(10):
        upstream.will_answer(body=chat(choices=two, usage={**USAGE, **said}))
    answer = gateway.post(PATH, ask(prompt=[f"number {n}" for n in range(10)], n=2))
    body = answer.json()
    assert [choice["index"] for choice in body["choices"]] == list(range(20))
    assert body["usage"] == {
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "completion_tokens_details": {"reasoning_tokens": 20},
    }  # fmt: skip
    assert answer.headers["x-tollgate-cost"] == "0.0007500000"
    asked = [each["body"]["messages"][0]["content"] for each in upstream.requests[-10:]]
    assert sorted(asked) == [f"number {n}" for n in range(10)]
    id = answer.headers["x-request-id"]
    for each in (id, *(f"{id}-{n}" for n in range(2, 11))):
        assert gateway.record(each)["input_tokens"] == 10
    assert gateway.verify_ledger().returncode == 0


def test_where_one_of_several_prompts_fails_its_error_is_the_answer(gateway: Gateway, upstream: Upstream):
    upstream.will_answer(400, {"error": {"message": "Too odd.", "type": "invalid_request_error"}})
    answer = gateway.post(PATH, ask(prompt=["one", "two"]))
    assert (answer.status_code, answer.headers["x-tollgate-attempts"]) == (400, "1")
    assert "Too odd." in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": ["one", "two"], "stream": True}, "prompt"),
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 0}, "logprobs"),
        ({"echo": True, "logprobs": 1}, "logprobs"),
        ({"best_of": 3, "n": 2}, "best_of"),
    ],
)
def test_what_no_chat_can_do_is_refused_by_name(gateway: Gateway, upstream: Upstream, said: dict[str, Any], param: str):
    answer = gateway.post(PATH, ask(**said))
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, "unsupported_parameter")
    assert not upstream.requests


def test_more_prompts_than_are_answered_at_once_are_refused(gateway: Gateway):
    answer = gateway.post(PATH, ask(prompt=["x"] * 129))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize(
    "body", [{"model": "chatting"}, {"model": "chatting", "prompt": 7}, {"model": "no", "prompt": "x"}]
)
def test_what_is_wrong_with_a_body_is_said_as_ever(gateway: Gateway, body: dict[str, Any]):
    assert gateway.post(PATH, body).status_code in (400, 404)


@pytest.mark.parametrize("model", ["demo", "fake"])
def test_tokens_that_no_vocabulary_has_are_a_prompt_all_the_same(gateway: Gateway, upstream: Upstream, model: str):
    answer = gateway.post(PATH, ask(model=model, prompt=[2**48]))
    assert answer.status_code == 200, answer.text


def test_the_model_may_stand_in_the_path(gateway: Gateway, upstream: Upstream):
    upstream.will_answer(body=chat("!"))
    assert gateway.post("/v1/engines/chatting/completions", {"prompt": "x"}).json()["choices"][0]["text"] == "!"


def test_what_an_upstream_refuses_to_say_is_the_text(gateway: Gateway, upstream: Upstream):
    message = {"role": "assistant", "content": None, "refusal": "No."}
    upstream.will_answer(body=chat(choices=[{"index": 0, "message": message, "finish_reason": "content_filter"}]))
    (choice,) = gateway.post(PATH, ask()).json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("No.", "content_filter")
