"""Which targets are tried, in which order, how often, and when not."""

from __future__ import annotations

import asyncio

import pytest

from providers import errors
from providers.client import Client
from providers.conditions import Condition
from providers.hedging import Hedge
from providers.plan import Step
from tests.providers.conftest import plan, unnoted, wire
from tests.providers.fake import ANSWER, HELLO, events

ERROR = {"error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}}


async def test_falls_back_to_the_next_target_in_order(ask, target, upstream, other, dispatched):
    upstream.will_answer(503, ERROR)
    answer = await ask(target(upstream.url, name="first"), target(other.url, name="second"))
    assert answer.target.provider.name == "second"
    assert dispatched == [("first", 1), ("second", 2)]
    assert [attempt.outcome for attempt in answer.attempts] == ["is overloaded", "answered"]


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 502, 503, 529])
async def test_what_is_wrong_there_may_be_right_elsewhere(begin, target, upstream, other, status):
    upstream.will_answer(status, {"error": {"message": "The model is gone", "code": None}})
    other.will_stream(events(*HELLO))
    stream = await begin(target(upstream.url), target(other.url))
    assert await wire(stream) == events(*HELLO, done=False)
    assert len(stream.attempts) == 2


async def test_what_is_wrong_with_the_request_is_wrong_everywhere(ask, target, upstream, other):
    upstream.will_answer(400, ERROR)
    with pytest.raises(errors.RequestRejected):
        await ask(target(upstream.url), target(other.url), retries=2)
    assert other.asked == []


async def test_asks_a_single_target_again(ask, target, upstream, dispatched):
    upstream.will_answer(503, ERROR)
    upstream.will_answer(500, ERROR)
    answer = await ask(target(upstream.url), retries=2)
    assert answer.status == 200
    assert [n for _, n in dispatched] == [1, 2, 3]


async def test_gives_up_after_its_retries(ask, target, upstream, dispatched):
    for _ in range(5):
        upstream.will_answer(500, ERROR)
    with pytest.raises(errors.ServerError) as caught:
        await ask(target(upstream.url, name="only"), retries=1)
    assert len(dispatched) == len(caught.value.tried) == 2
    assert "only/up-1" in caught.value.message


async def test_leaves_a_long_wait_to_the_caller(ask, target, upstream, dispatched):
    upstream.will_answer(429, ERROR, retry_after="30")
    with pytest.raises(errors.RateLimited):
        await ask(target(upstream.url), retries=5)
    assert len(dispatched) == 1


async def test_an_exception_from_dispatch_ends_everything(client, target, upstream):
    async def refuse(_: Step) -> None:
        raise RuntimeError("no journal")

    with pytest.raises(RuntimeError, match="no journal"):
        await client.answer("chat.completions", {}, plan(target(upstream.url), retries=3), refuse)
    assert upstream.asked == []


async def test_a_target_that_dispatch_skips_is_left_out(client, target, upstream, other):
    async def note(step: Step) -> None:
        if step.target.provider.name == "first":
            raise errors.Skipped(KeyError("too dear"))

    other.will_answer(200, ANSWER)
    targets = [target(upstream.url, name="first"), target(other.url, name="second")]
    answer = await client.answer("chat.completions", {}, plan(*targets, retries=1), note)
    assert (answer.target.provider.name, len(answer.attempts), upstream.asked) == ("second", 1, [])


async def test_the_reason_of_the_first_skip_is_raised_where_nothing_was_tried(client, target, upstream):
    async def note(_: Step) -> None:
        raise errors.Skipped(KeyError("too dear"))

    with pytest.raises(KeyError, match="too dear"):
        await client.answer("chat.completions", {}, plan(*[target(upstream.url)] * 2, retries=1), note)


async def test_tells_that_no_target_can_do_it(ask, client, target):
    with pytest.raises(errors.NoTarget):
        await ask()
    with pytest.raises(errors.RequestRejected, match=r"video\.remix"):
        await ask(target("http://127.0.0.1:1"), operation="video.remix")


def condition(client: Client, name: str = "up") -> Condition:
    return client.conditions.named(name, "up-1")


async def test_a_call_is_under_way_until_the_last_byte_of_its_stream(begin, client, target, upstream):
    upstream.will_stream(events(*HELLO))
    stream = await begin(target(upstream.url))
    assert condition(client).in_flight == 1
    await wire(stream)
    assert condition(client).in_flight == 0


async def test_a_stream_that_its_reader_leaves_is_no_failure(begin, client, target, upstream):
    upstream.will_stream(events(*HELLO[:2], done=False), hang=True)
    stream = await begin(target(upstream.url))
    await stream.aclose()
    assert condition(client).in_flight == 0
    assert not condition(client).breaker.is_open


async def test_streams_that_break_off_make_a_target_cool(begin, client, target, upstream):
    for _ in range(5):
        upstream.will_stream(events(*HELLO[:2], done=False), cut=True)
        stream = await begin(target(upstream.url))
        with pytest.raises(errors.StreamCut) as caught:
            await wire(stream)
        (attempt,) = caught.value.tried
        assert (attempt.outcome, attempt.reason) == ("ended its answer before it was finished", "first")
    assert condition(client).breaker.is_open
    assert condition(client).in_flight == 0


async def test_a_slow_stream_is_overtaken_and_its_connection_cut(client, target, upstream, other):
    latencies = client.conditions.latencies("public", True)
    for _ in range(20):
        latencies.add(0.01)
    upstream.will_hang()
    other.will_stream(events(*HELLO))
    asked = plan(target(upstream.url, name="slow"), target(other.url, name="quick"), hedge=Hedge(95))
    stream = await client.stream("chat.completions", {"messages": [], "stream": True}, asked, unnoted)
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert await wire(stream) == events(*HELLO, done=False)
    assert [(each.provider, each.outcome) for each in stream.attempts] == [
        ("slow", errors.OVERTAKEN),
        ("quick", "answered"),
    ]
    assert [condition(client, name).in_flight for name in ("slow", "quick")] == [0, 0]


async def test_the_deadline_holds_for_a_stream_that_has_begun(client, target, upstream, other):
    upstream.will_stream(events(*HELLO[:2], done=False), hang=True)
    asked = plan(target(upstream.url), target(other.url), deadline=0.3)
    stream = await client.stream("chat.completions", {"messages": [], "stream": True}, asked, unnoted)
    with pytest.raises(errors.TotalTimeout):
        await wire(stream)
    assert other.asked == []


async def test_who_cannot_do_the_operation_is_left_out_and_named(client, target, upstream):
    cannot = target("http://127.0.0.1:1", name="anthropic-only", adapter="anthropic")
    body = {"model": "public", "input": "Hi"}
    upstream.will_answer(200, {"object": "list", "data": [], "model": "m", "usage": {}})
    answer = await client.answer("embeddings", body, plan(cannot, target(upstream.url)), unnoted)
    assert answer.skipped == (errors.Skip("anthropic-only/up-1", "unsupported"),)
