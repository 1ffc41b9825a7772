"""Background responses through the door: queued, followed, cancelled, and never left hanging when their worker dies."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.conftest import ROUTES
from tests.gateway.responses.clients import client_of, conforms, event_conforms, texts, told
from tests.live import Gateway
from tests.upstream import Upstream, streamed

# what is behind the door is the same under each server
one_server = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")
LONG_AGO = "2026-01-01 00:00:00"

LEAVER = "leaver@example.com"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with client_of(gateway) as made:
        yield made


def until(ask: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    end = time.monotonic() + 60
    while not is_so(found := ask()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def ended(client: openai.OpenAI, id: str) -> Any:
    return until(lambda: client.responses.retrieve(id), lambda found: found.status not in ("queued", "in_progress"))


def going_on(client: openai.OpenAI, id: str) -> Any:
    return until(lambda: client.responses.retrieve(id), lambda found: found.status == "in_progress")


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


@one_server
def test_it_is_queued_at_once_and_made_by_a_worker(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    upstream.will_answer(delay=0.5)
    made = client.responses.with_raw_response.create(
        model="fake", input="Hi", background=True, extra_headers={"x-tollgate-tags": "night"}
    )
    queued = made.parse()
    assert (queued.status, queued.background, queued.output) == ("queued", True, [])
    assert conforms(json.loads(made.text))
    response = ended(client, queued.id)
    assert (response.status, response.output_text, response.created_at) == ("completed", "Hello!", queued.created_at)
    assert conforms(response.to_dict())
    record = gateway.record(made.headers["x-request-id"])
    assert (record["operation"], record["status"]) == ("responses", "completed")
    assert "night" in json.dumps(record["tags"])
    assert client.responses.cancel(queued.id).status == "completed"


@one_server
def test_its_events_are_followed_and_told_again(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    upstream.will_stream(streamed(["one ", "two ", "three"]), pause=0.3)
    body = {"model": "fake", "input": "Hi", "background": True, "stream": True}
    events = events_of(gateway.post("/v1/responses", body).text)
    assert all(map(event_conforms, events))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events][:3] == [
        "response.created", "response.queued", "response.in_progress",
    ]  # fmt: skip
    response = events[-1]["response"]
    assert (events[-1]["type"], response["status"]) == ("response.completed", "completed")
    assert client.responses.retrieve(response["id"]).to_dict() == response
    again = gateway.get(f"/v1/responses/{response['id']}?stream=true&starting_after=4")
    assert again.headers["content-type"].startswith("text/event-stream")
    assert events_of(again.text) == events[5:]
    with client.responses.stream(response_id=response["id"], starting_after=0) as stream:
        assert [event.sequence_number for event in stream][-1] == len(events) - 1


@one_server
def test_only_streamed_ones_can_be_streamed_again(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    plain = client.responses.create(model="fake", input="Hi").id
    background = client.responses.create(model="fake", input="Hi", background=True).id
    ended(client, background)  # else it would take what the next test tells the upstream to answer
    for id in (plain, background):
        refused = gateway.get(f"/v1/responses/{id}?stream=true")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream")
    refused = gateway.get(f"/v1/responses/{plain}?stream=true&starting_after=x")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "starting_after")


@one_server
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_cancelling_stops_the_upstream(client: openai.OpenAI, upstream: Upstream, gateway: Gateway, stream: bool):
    upstream.will_stream(streamed(["word "] * 90), pause=0.1) if stream else upstream.will_answer(delay=1.9)
    body = {"model": "fake", "input": "Hi", "background": True, "stream": stream}
    made = client.responses.with_raw_response.create(**body)
    following = made.parse()
    id = next(iter(following)).response.id if stream else following.id
    until(lambda: upstream.requests, bool)
    cancelled = client.responses.cancel(id)
    assert cancelled.status == "cancelled"
    assert conforms(cancelled.to_dict())
    until(lambda: upstream.left, bool)
    assert client.responses.cancel(id).status == client.responses.retrieve(id).status == "cancelled"
    if stream:
        last = list(following)[-1]
        assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
    assert gateway.record(made.headers["x-request-id"])["status"] == "cancelled"


@one_server
def test_only_background_ones_can_be_cancelled(client: openai.OpenAI, upstream: Upstream):
    id = client.responses.create(model="fake", input="Hi").id
    with pytest.raises(openai.BadRequestError, match="cannot be cancelled"):
        client.responses.cancel(id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_unknown")


@one_server
def test_deleting_stops_the_upstream_too(client: openai.OpenAI, upstream: Upstream):
    upstream.will_stream(streamed(["word "] * 90), pause=0.1)
    id = next(iter(client.responses.create(model="fake", input="Hi", background=True, stream=True))).response.id
    until(lambda: upstream.requests, bool)
    client.responses.delete(id)
    until(lambda: upstream.left, bool)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(id)


@one_server
def test_what_the_upstream_refuses_has_failed(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(400, {"error": {"message": "too hot", "code": "invalid_value"}})
    response = ended(client, client.responses.create(model="fake", input="Hi", background=True).id)
    assert (response.status, response.error.code) == ("failed", "invalid_prompt")
    assert "too hot" in response.error.message
    assert conforms(response.to_dict())


@one_server
def test_what_cannot_be_called_is_refused_at_once(client: openai.OpenAI, upstream: Upstream):
    with pytest.raises(openai.NotFoundError) as refused:
        client.responses.create(model="nothing", input="Hi", background=True)
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="fake", input="Hi", background=True, previous_response_id="resp_unknown")


@one_server
def test_what_waits_is_made_though_workers_were_not_told_and_not_for_a_revoked_key(
    client: openai.OpenAI, upstream: Upstream, gateway: Gateway
):
    key = gateway.issue_key(email=LEAVER)
    with client_of(gateway, key) as leaver:
        theirs = ended(leaver, leaver.responses.create(model="fake", input="Hi", background=True).id).id
    ours = ended(client, client.responses.create(model="fake", input="Hi", background=True).id).id
    gateway.sql(
        "UPDATE accounts_apikey SET revoked_at = %s WHERE user_id = (SELECT id FROM accounts_user WHERE email = %s)",
        LONG_AGO, LEAVER,
    )  # fmt: skip
    asked = len(upstream.requests)
    for id in (theirs, ours):
        gateway.sql(
            "UPDATE gateway_storedresponse SET status = 'queued', request = %s, hinted_at = %s WHERE id = %s",
            json.dumps({"body": {"model": "fake", "input": "Hi"}, "headers": {}, "request_id": f"req_{id}"}),
            LONG_AGO,
            id,
        )
    states = until(lambda: _states(gateway, theirs, ours), lambda found: not set(found) & {"queued", "in_progress"})
    assert states == ["failed", "completed"]
    assert len(upstream.requests) == asked + 1


def _states(gateway: Gateway, *ids: str) -> list[str]:
    return [gateway.sql("SELECT status FROM gateway_storedresponse WHERE id = %s", id)[0][0] for id in ids]


@one_server
def test_it_goes_on_from_a_conversation_and_waits_for_its_turn(client: openai.OpenAI, upstream: Upstream):
    id = client.conversations.create().id
    upstream.will_answer(delay=0.5)
    upstream.will_answer(delay=0.5)
    first = client.responses.create(model="fake", input="one", conversation=id, background=True).id
    second = client.responses.create(model="fake", input="two", conversation=id, background=True).id
    assert (ended(client, first).status, ended(client, second).status) == ("completed", "completed")
    said = texts(client.conversations.items.list(id, order="asc"))
    assert sorted(said) == ["Hello!", "Hello!", "one", "two"]
    assert said[1::2] == ["Hello!", "Hello!"]
    assert len(told(upstream)) == 3


@one_server
def test_rate_limits_are_waited_for(upstream: Upstream, gateway: Gateway):
    key = gateway.issue_key(email="busy@example.com")
    gateway.apply("users: [{email: busy@example.com, limits: {parallel: 1}}]")
    for _ in range(2):
        upstream.will_answer(delay=1)
    with client_of(gateway, key) as busy:
        made = [busy.responses.create(model="fake", input="Hi", background=True).id for _ in range(2)]
        assert [ended(busy, id).status for id in made] == ["completed"] * 2


@one_server
def test_what_no_process_makes_any_more_has_failed(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    id = ended(client, client.responses.create(model="fake", input="Hi", background=True).id).id
    gateway.sql(
        "UPDATE gateway_storedresponse SET status = 'in_progress', lease_until = %s WHERE id = %s", LONG_AGO, id
    )
    found = client.responses.retrieve(id)
    assert (found.status, found.error.code) == ("failed", "server_error")


@pytest.fixture(scope="module")
def alone(fake_upstream: Upstream) -> Iterator[Gateway]:
    """A gateway of these tests' own, to be killed."""
    running = Gateway().start()
    try:
        running.apply(ROUTES.format(url=fake_upstream.url))
        yield running
    finally:
        running.destroy()


def kill_worker(gateway: Gateway) -> None:
    """Kill who makes background responses, as the kernel would."""
    if gateway.worker is not None:
        gateway.kill_worker()
        gateway.start_worker()
        return
    os.kill(gateway.process.pid, signal.SIGSTOP)
    gateway.kill_web()
    os.kill(gateway.process.pid, signal.SIGCONT)


def test_a_killed_worker_leaves_it_failed_and_billed_once(alone: Gateway, fake_upstream: Upstream):
    fake_upstream.reset()
    fake_upstream.will_stream(streamed(["word "] * 90), pause=0.1)
    with client_of(alone) as client:
        body = {"model": "fake", "input": "Hi", "background": True, "stream": True}
        made = client.responses.with_raw_response.create(**body)
        request_id = made.headers["x-request-id"]
        stream = made.parse()
        id = next(iter(stream)).response.id
        until(lambda: fake_upstream.requests, bool)
        time.sleep(1.5)  # so that its journal line is on the disk
        kill_worker(alone)
        stream.close()
        response = until(lambda: _retrieved(alone, id), lambda found: found.get("status") not in (None, "in_progress"))
        assert conforms(response)
        assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
        last = events_of(alone.get(f"/v1/responses/{id}?stream=true").text)[-1]
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    record = alone.record(request_id)
    assert (record["status"], record["operation"]) == ("interrupted", "responses")
    assert len(fake_upstream.requests) == 1
    assert alone.verify_ledger().returncode == 0


def test_a_worker_that_is_shut_down_says_so(alone: Gateway, fake_upstream: Upstream):
    fake_upstream.reset()
    fake_upstream.will_stream(streamed(["word "] * 90), pause=0.1)
    with client_of(alone) as client:
        made = client.responses.with_raw_response.create(model="fake", input="Hi", background=True, stream=True)
        request_id, stream = made.headers["x-request-id"], made.parse()
        id = next(iter(stream)).response.id
        until(lambda: fake_upstream.requests, bool)
        stream.close()
        assert alone.stop() == 0
        alone.start()
        response = ended(client, id)
    assert (response.status, response.error.code) == ("failed", "server_error")
    assert "shut down" in response.error.message
    assert alone.record(request_id)["status"] == "cancelled"
    assert len(fake_upstream.requests) == 1


def _retrieved(gateway: Gateway, id: str) -> dict[str, Any]:
    try:
        return gateway.get(f"/v1/responses/{id}").json()
    except Exception:  # noqa: BLE001 the web process is being started again
        return {}
