"""The answer cache through the door: who is given which answer, what it costs, what the ledger says."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx2 as httpx
import openai
import pytest

from tests.gateway.caching.ways import CHAT, ask, keys_of
from tests.live import Gateway
from tests.upstream import USAGE, Upstream, chat, chunk, streamed

STORED_SECONDS = 10
numbers = count()


@pytest.fixture(scope="module")
def keys(gateway: Gateway, fake_upstream: Upstream) -> dict[str, str]:
    return keys_of(gateway, fake_upstream)


@pytest.fixture
def text() -> str:
    """What nobody has asked before."""
    return f"question {next(numbers)}"


def outcome(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.headers["x-tollgate-cache"]


def repeated(gateway: Gateway, key: str, body: dict[str, Any], path: str = CHAT) -> httpx.Response:
    """Return the stored answer: it is kept a moment after it was given, as nobody waits for that."""
    until = time.monotonic() + STORED_SECONDS
    while True:
        answer = gateway.post(path, body, key)
        if outcome(answer) == "hit" or time.monotonic() > until:
            return answer
        time.sleep(0.05)


def said(text: str) -> list[dict[str, Any]]:
    """Return the chunks of a stream."""
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def test_the_same_question_is_answered_once(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    first = gateway.post(CHAT, ask("own", text), keys["first"])
    assert outcome(first) == "miss"
    second = repeated(gateway, keys["first"], ask("own", text))
    assert outcome(second) == "hit"
    assert second.json() == first.json()
    assert len(upstream.requests) == 1
    assert second.headers["x-tollgate-provider"] == "kept"
    assert second.headers["x-tollgate-model"] == "own"
    assert second.headers["x-tollgate-attempts"] == "0"
    assert float(second.headers["x-tollgate-cost"]) == 0 < float(first.headers["x-tollgate-cost"])


# one shape and the other


def test_a_stored_answer_is_streamed_as_it_is_told_whole(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str
) -> None:
    upstream.will_answer(body=chat("A rather long answer, which comes in pieces. " * 5))
    with openai.OpenAI(base_url=gateway.url, api_key=keys["first"]) as client:
        asked = ask("own", text)
        whole = client.chat.completions.create(**asked)
        assert outcome(repeated(gateway, keys["first"], asked)) == "hit"
        stream = client.chat.completions.with_raw_response.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
        assert stream.headers["x-tollgate-cache"] == "hit"
        *told, last = list(stream.parse())
    pieces = [each.choices[0].delta.content or "" for each in told]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 1
    assert (told[0].choices[0].delta.role, told[-1].choices[0].finish_reason) == ("assistant", "stop")
    assert {each.id for each in told} == {whole.id}
    assert last.usage == whole.usage
    assert len(upstream.requests) == 1


def test_a_stream_is_stored_from_its_chunks(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    upstream.will_stream(streamed(["Hel", "lo", " there"]))
    asked = ask("own", text)
    first = gateway.post(CHAT, {**asked, "stream": True}, keys["first"])
    assert (outcome(first), first.text[-14:]) == ("miss", "data: [DONE]\n\n")
    whole = repeated(gateway, keys["first"], asked)
    assert outcome(whole) == "hit"
    expected = chat("Hello there")
    assert whole.json() == expected
    again = gateway.post(CHAT, {**asked, "stream": True}, keys["first"])
    assert outcome(again) == "hit"
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in said(again.text)) == "Hello there"
    assert not any("usage" in each for each in said(again.text))
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("is_streamed", [False, True])
def test_tool_calls_are_given_again(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str, is_streamed: bool
) -> None:
    called = {"name": "weather", "arguments": '{"city": "Berlin", "unit": "celsius"}'}
    if is_streamed:
        begun = {"index": 0, "id": "call_1", "type": "function", "function": {**called, "arguments": ""}}
        deltas = [{"role": "assistant", "content": None, "tool_calls": [begun]}] + [
            {"tool_calls": [{"index": 0, "function": {"arguments": called["arguments"][start : start + 9]}}]}
            for start in range(0, len(called["arguments"]), 9)
        ]
        chunks = [*(chunk(delta) for delta in deltas), chunk({}, "tool_calls"), chunk(usage=USAGE)]
        upstream.will_stream([*(f"data: {json.dumps(each)}\n\n" for each in chunks), "data: [DONE]\n\n"])
    else:
        call = {"id": "call_1", "type": "function", "function": called}
        message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
        upstream.will_answer(body=chat(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}]))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    asked = ask("own", text, tools=[tool])
    gateway.post(CHAT, {**asked, "stream": is_streamed}, keys["first"])
    assert outcome(repeated(gateway, keys["first"], asked)) == "hit"
    with openai.OpenAI(base_url=gateway.url, api_key=keys["first"]) as client:
        whole = client.chat.completions.create(**asked).choices[0]
        with client.chat.completions.stream(**asked) as stream:
            told = stream.get_final_completion().choices[0]
    for choice in (whole, told):
        assert choice.finish_reason == "tool_calls"
        (made,) = choice.message.tool_calls
        assert (made.id, made.function.name, made.function.arguments) == ("call_1", *called.values())
    assert len(upstream.requests) == 1


def test_completions_and_embeddings_are_given_again(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    completion = {
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "usage": USAGE,
        "choices": [{"index": 0, "text": "Once upon a time", "logprobs": None, "finish_reason": "stop"}],
    }  # fmt: skip
    embeddings = {
        "object": "list", "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    }  # fmt: skip
    for path, asked, body in (
        ("/v1/completions", {"model": "own", "prompt": text}, completion),
        ("/v1/embeddings", {"model": "own", "input": text}, embeddings),
    ):
        upstream.will_answer(body=body)
        assert outcome(gateway.post(path, asked, keys["first"])) == "miss"
        again = repeated(gateway, keys["first"], asked, path)
        assert (outcome(again), again.json()) == ("hit", body)
    told = gateway.post("/v1/completions", {"model": "own", "prompt": text, "stream": True}, keys["first"])
    assert outcome(told) == "hit"
    assert "".join(each["choices"][0]["text"] for each in said(told.text)) == "Once upon a time"
    other = {"model": "own", "input": text, "dimensions": 1}
    upstream.will_answer(body=embeddings)
    assert outcome(gateway.post("/v1/embeddings", other, keys["first"])) == "miss"
    assert len(upstream.requests) == 3


MESSAGE = {"model": "own", "max_tokens": 50}
DOORS = {
    "/v1/messages": lambda text: {**MESSAGE, "messages": [{"role": "user", "content": text}]},
    "/v1/responses": lambda text: {"model": "own", "input": text},
}


@pytest.mark.parametrize("path", DOORS)
def test_other_dialects_are_given_stored_answers_either_way(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str, path: str
) -> None:
    upstream.will_answer(body=chat("Hello there"))
    asked = DOORS[path](text)
    assert outcome(gateway.post(path, asked, keys["first"])) == "miss"
    again = repeated(gateway, keys["first"], asked, path)
    assert (outcome(again), "Hello there" in again.text) == ("hit", True)
    told = gateway.post(path, {**asked, "stream": True}, keys["first"])
    assert outcome(told) == "hit"
    assert "Hello there" in told.text
    assert gateway.record(told.headers["x-request-id"])["operation"] == path.rpartition("/")[2]
    assert outcome(gateway.post(path, {**asked, "cache": {"no-cache": True}}, keys["first"])) == "miss"
    assert [request["path"] for request in upstream.requests] == ["/v1/chat/completions"] * 2
    assert not {"caching", "cache"} & upstream.requests[-1]["body"].keys()


# who


@pytest.mark.parametrize(
    ("model", "asker", "given_to", "kept_from"),
    [
        ("own", "first", [], ["second", "mate", "partner"]),
        ("ours", "mate", ["partner"], ["first", "second"]),
        ("ours", "first", [], ["second", "partner"]),
        ("shared", "first", ["second", "mate", "partner"], []),
    ],
)
def test_who_is_given_whose_answer(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str, model: str, asker: str, given_to: Any, kept_from: Any
) -> None:
    asked = ask(model, text)
    assert outcome(gateway.post(CHAT, asked, keys[asker])) == "miss"
    assert outcome(repeated(gateway, keys[asker], asked)) == "hit"
    assert [outcome(gateway.post(CHAT, asked, keys[name])) for name in given_to] == ["hit"] * len(given_to)
    assert [outcome(gateway.post(CHAT, asked, keys[name])) for name in kept_from] == ["miss"] * len(kept_from)


def test_who_may_not_use_the_model_is_given_nothing(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked = ask("shared", text)
    gateway.post(CHAT, asked, keys["first"])
    assert outcome(repeated(gateway, keys["first"], asked)) == "hit"
    for body in (asked, {**asked, "stream": True}):
        refused = gateway.post(CHAT, body, keys["kept-out"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    revoked = gateway.issue_key("first@example.com", name="revoked")
    assert outcome(gateway.post(CHAT, asked, revoked)) == "hit"
    gateway.sql("UPDATE accounts_apikey SET revoked_at = '2026-11-01 00:00:00+00:00' WHERE name = 'revoked'")
    until = time.monotonic() + STORED_SECONDS
    while gateway.post(CHAT, asked, revoked).status_code == 200 and time.monotonic() < until:
        time.sleep(0.1)
    assert gateway.post(CHAT, asked, revoked).status_code == 401
    assert len(upstream.requests) == 1


def test_another_name_of_the_route_is_another_question(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str
) -> None:
    gateway.post(CHAT, ask("shared", text), keys["first"])
    assert outcome(repeated(gateway, keys["first"], ask("shared", text))) == "hit"
    assert outcome(gateway.post(CHAT, ask("shared-alias", text), keys["first"])) == "miss"


# what a request says


def test_a_route_without_a_cache_answers_as_ever(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked = ask("uncached", text, caching=True, cache={"ttl": 60})
    for body in (asked, asked, {**asked, "stream": True}):
        if body.get("stream"):
            upstream.will_stream(streamed(["Hello"]))
        assert outcome(gateway.post(CHAT, body, keys["first"])) == "off"
    assert [request["body"].keys() & {"caching", "cache"} for request in upstream.requests] == [set()] * 3


@pytest.mark.parametrize("words", [{"caching": False}, {"cache": {"no-cache": True}}, {"cache": {"s-maxage": 0}}])
def test_a_request_that_wants_a_new_answer_gets_one_which_the_next_is_given(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str, words: dict[str, Any]
) -> None:
    upstream.will_answer(body=chat("old"))
    upstream.will_answer(body=chat("new"))
    asked = ask("own", text)
    gateway.post(CHAT, asked, keys["first"])
    assert outcome(repeated(gateway, keys["first"], asked)) == "hit"
    fresh = gateway.post(CHAT, {**asked, **words}, keys["first"])
    assert (outcome(fresh), fresh.json()["choices"][0]["message"]["content"]) == ("miss", "new")
    until = time.monotonic() + STORED_SECONDS
    while "new" not in (again := gateway.post(CHAT, asked, keys["first"])).text and time.monotonic() < until:
        time.sleep(0.05)
    assert (outcome(again), again.json()["choices"][0]["message"]["content"]) == ("hit", "new")
    assert len(upstream.requests) == 2
    assert not {"caching", "cache"} & upstream.requests[-1]["body"].keys()


@pytest.mark.parametrize("cache", [{"no-store": True}, {"ttl": 0}])
def test_a_request_may_leave_nothing_behind(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str, cache: dict[str, Any]
) -> None:
    with openai.OpenAI(base_url=gateway.url, api_key=keys["first"]) as client:
        for _ in range(3):
            client.chat.completions.create(**ask("own", text), extra_body={"cache": cache})
    assert len(upstream.requests) == 3
    assert outcome(gateway.post(CHAT, ask("own", text, cache={**cache, "no-cache": True}), keys["first"])) == "off"


def test_namespaces_have_answers_of_their_own(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    mine, yours = (ask("own", text, cache={"namespace": name}) for name in ("mine", "yours"))
    gateway.post(CHAT, mine, keys["first"])
    assert outcome(repeated(gateway, keys["first"], mine)) == "hit"
    assert outcome(gateway.post(CHAT, yours, keys["first"])) == "miss"
    assert outcome(gateway.post(CHAT, ask("own", text), keys["first"])) == "miss"


def test_what_the_upstream_is_to_store_goes_there(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked = ask("own", text)
    gateway.post(CHAT, asked, keys["first"])
    assert outcome(repeated(gateway, keys["first"], asked)) == "hit"
    assert outcome(gateway.post(CHAT, {**asked, "store": True}, keys["first"])) == "miss"
    assert upstream.requests[-1]["body"]["store"] is True


@pytest.mark.parametrize(
    ("words", "param"),
    [({"caching": "yes"}, "caching"), ({"cache": {"ttl": "soon"}}, "cache.ttl"), ({"cache": 5}, "cache")],
)
def test_words_that_make_no_sense_are_refused_by_name(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str, words: dict[str, Any], param: str
) -> None:
    for model in ("own", "uncached"):
        refused = gateway.post(CHAT, ask(model, text, **words), keys["first"])
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert not upstream.requests


# what is never kept


def test_what_is_no_whole_answer_is_not_kept(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    filtered = chat(choices=[{"index": 0, "message": {"role": "assistant", "content": ""},
                              "finish_reason": "content_filter"}])  # fmt: skip
    asked = ask("own", text)
    upstream.will_answer(500, {"error": {"message": "no"}})
    upstream.will_answer(body=filtered)
    upstream.will_stream(streamed(["Hel", "lo"])[:2], cut=True)
    assert gateway.post(CHAT, asked, keys["first"]).status_code == 502
    assert outcome(gateway.post(CHAT, asked, keys["first"])) == "miss"
    assert '"error"' in gateway.post(CHAT, {**asked, "stream": True}, keys["first"]).text
    upstream.will_stream(streamed(["word"] * 50), pause=0.2)
    with gateway.client(keys["first"]) as client, client.stream("POST", CHAT, json={**asked, "stream": True}) as left:
        next(left.iter_bytes())
    assert outcome(gateway.post(CHAT, asked, keys["first"])) == "miss"
    assert len(upstream.requests) == 5


def test_what_a_stand_in_has_answered_is_not_kept(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    for _ in range(3):
        answer = gateway.post(CHAT, ask("stands-in", text), keys["first"])
        assert (outcome(answer), answer.headers["x-tollgate-provider"]) == ("miss", "kept")
    assert len(upstream.requests) == 3


def test_what_a_budget_keeps_short_is_not_kept(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    ((key,),) = gateway.sql("SELECT id FROM accounts_apikey WHERE name = 'bounded'")
    budget = gateway.budget(10**9, api_key_id=key)
    short = gateway.post(CHAT, ask("own", text), keys["bounded"])
    assert (outcome(short), "x-tollgate-max-tokens" in short.headers) == ("miss", True)
    gateway.sql("UPDATE billing_budget SET ended_at = '2026-11-02 00:00:00+00:00' WHERE id = %s", budget)
    gateway.take_in()
    assert outcome(gateway.post(CHAT, ask("own", text), keys["bounded"])) == "miss"


# money and limits


def test_a_hit_costs_nothing_and_stands_in_the_ledger(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str
) -> None:
    asked = ask("shared", text)
    first = gateway.post(CHAT, asked, keys["first"])
    repeated(gateway, keys["first"], asked)
    with gateway.client(keys["second"]) as client:
        client.headers["x-tollgate-tags"] = "mine, cache:hit"
        plain = client.post(CHAT, json=asked)
        told = client.post(CHAT, json={**asked, "stream": True})
        missed = client.post(CHAT, json=ask("shared", text, seed=1))
    assert [outcome(answer) for answer in (plain, told, missed)] == ["hit", "hit", "miss"]
    paid = gateway.record(first.headers["x-request-id"])
    assert paid["cost"] > 0
    for answer in (plain, told):
        record = gateway.record(answer.headers["x-request-id"])
        assert (record["status"], record["cost"], record["attempts"], record["http_status"]) == ("completed", 0, 0, 200)
        assert (record["input_tokens"], record["output_tokens"], record["estimated"]) == (0, 0, 0)
        assert (record["provider"], record["upstream_model"], record["model"]) == ("kept", "m", "shared")
        assert _list(record["tags"]) == ["mine", "cache:hit"]
    assert _list(gateway.record(missed.headers["x-request-id"])["tags"]) == ["mine"]
    proof = gateway.verify_ledger()
    assert proof.returncode == 0, proof.stdout
    for page in (first, plain):
        assert gateway.get(f"/v1/requests/{page.headers['x-request-id']}/explain").status_code == 200


def _list(value: Any) -> list[str]:
    return json.loads(value) if isinstance(value, str) else value


def test_explain_tells_of_the_hit_and_names_a_request_to_who_may_see_it(
    gateway: Gateway, upstream: Upstream, keys: Any, text: str
) -> None:
    asked = ask("shared", text)
    first = gateway.post(CHAT, asked, keys["first"])
    repeated(gateway, keys["first"], asked)
    mine = gateway.post(CHAT, asked, keys["first"]).headers["x-request-id"]
    others = gateway.post(CHAT, asked, keys["second"]).headers["x-request-id"]
    gateway.record(others)
    stored_by = first.headers["x-request-id"]
    told = {
        who: gateway.get(f"/v1/requests/{request}/explain", key).json()["cache"]
        for who, request, key in (
            ("asker", stored_by, keys["first"]),
            ("owner", mine, keys["first"]),
            ("other", others, keys["second"]),
            ("admin", others, gateway.key),
        )
    }
    assert told["asker"] == {"outcome": "miss", "stored_at": None, "request_id": None}
    assert told["owner"] == told["admin"] == {**told["owner"], "outcome": "hit", "request_id": stored_by}
    assert told["other"] == {**told["owner"], "request_id": None}
    assert told["owner"]["stored_at"].startswith("20")
    explained = gateway.get(f"/v1/requests/{mine}/explain", keys["first"]).json()
    assert (explained["attempts"], explained["cost"]["total"]) == ([], "0.0000000000")
    assert {each["outcome"] for each in explained["candidates"]} == {"not needed"}


def test_hits_count_as_requests_and_as_nothing_else(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked, key = ask("own", text), keys["limited"]
    gateway.post(CHAT, asked, key)
    assert outcome(repeated(gateway, key, asked)) == "hit"
    gateway.apply("keys: [{name: limited, limits: {tpm: 1000, rpm: 50}, budgets: [{amount: 0, period: month}]}]\n")
    big = ask("own", f"another {text}", max_tokens=5000)
    assert gateway.post(CHAT, big, key).status_code == 429
    hits = [gateway.post(CHAT, asked, key) for _ in range(5)]
    assert [outcome(answer) for answer in hits] == ["hit"] * 5
    left = [int(answer.headers["x-ratelimit-remaining-requests"]) for answer in hits]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1]
    assert "x-ratelimit-remaining-tokens" not in hits[0].headers
    refused = gateway.post(CHAT, ask("own", f"new {text}", max_tokens=10), key)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    until = time.monotonic() + STORED_SECONDS
    while (answer := gateway.post(CHAT, asked, key)).status_code == 200 and time.monotonic() < until:
        pass
    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "requests")
    assert len(upstream.requests) == 1


def test_a_hundred_at_once_are_given_one_answer(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked = ask("shared", text)
    gateway.post(CHAT, asked, keys["first"])
    assert outcome(repeated(gateway, keys["first"], asked)) == "hit"

    def one(number: int) -> str:
        return outcome(gateway.post(CHAT, {**asked, "stream": number % 2 == 0}, keys["second"]))

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(one, range(100))) == ["hit"] * 100
    assert len(upstream.requests) == 1


# for the operator


def test_a_route_is_emptied(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked = ask("emptied", text)
    gateway.post(CHAT, asked, keys["first"])
    assert outcome(repeated(gateway, keys["first"], asked)) == "hit"
    assert gateway.command("empty_cache", "emptied").stdout == "The answer cache of emptied is empty.\n"
    until = time.monotonic() + STORED_SECONDS
    while outcome(answer := gateway.post(CHAT, asked, keys["first"])) == "hit" and time.monotonic() < until:
        time.sleep(0.1)
    assert outcome(answer) == "miss"
    assert gateway.command("empty_cache", "no-such-route", check=False).returncode == 1
    assert gateway.command("empty_cache", check=False).returncode == 1


def test_hits_and_misses_are_counted_by_model(gateway: Gateway, upstream: Upstream, keys: Any, text: str) -> None:
    asked = ask("shared", text)
    gateway.post(CHAT, asked, keys["first"])
    repeated(gateway, keys["first"], asked)
    figures = gateway.get("/metrics").text
    for outcome_of in ("hit", "miss"):
        assert f'tollgate_cache_total{{model="shared",outcome="{outcome_of}"}}' in figures
