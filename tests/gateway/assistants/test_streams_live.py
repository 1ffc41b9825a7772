"""Runs as streams: what is told, in which order, and that it goes on whoever listens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import ROUTES
from tests.gateway.assistants.streams import Event, events_of, names, well_told
from tests.live import Gateway, answers
from tests.shapes import PRODUCTION
from tests.upstream import Upstream, chunk, streamed

# what is behind the door is the same under each server
one_server = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
BEGUN = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
STEP_BEGUN = ["thread.run.step.created", "thread.run.step.in_progress"]
MESSAGE_BEGUN = [*STEP_BEGUN, "thread.message.created", "thread.message.in_progress"]
SAID = [*MESSAGE_BEGUN, "thread.message.delta", "thread.message.completed", "thread.run.step.completed"]
DONE = ["thread.run.completed", "done"]
HI = {"messages": [{"role": "user", "content": "Hi"}]}


def calling(*before: str) -> list[str]:
    """Return a chat stream that says something and then calls."""
    said = [chunk({"role": "assistant", "content": text}) for text in before]
    arguments = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in ("{", "}")]
    chunks = [*said, chunk({"tool_calls": [CALL]}), *arguments, chunk({}, "tool_calls")]
    usage = chunk(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
    return [f"data: {json.dumps(each)}\n\n" for each in (*chunks, usage)] + ["data: [DONE]\n\n"]


class Caller:
    """Who has assistants, and runs them."""

    def __init__(self, gateway: Gateway, **assistant: Any) -> None:
        self.gateway = gateway
        self.assistant = self.made("assistants", {"model": "fake", **assistant})["id"]

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.gateway.post(f"/v1/{path}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def got(self, path: str) -> dict[str, Any]:
        return self.gateway.get(f"/v1/{path}").json()

    def thread(self) -> str:
        return self.made("threads", HI)["id"]

    def run(self, thread: str, **body: Any) -> list[Event]:
        """Return what is told of a run, once it rests."""
        body = {"assistant_id": self.assistant, "stream": True, **body}
        return events_of(self.gateway.post(f"/v1/threads/{thread}/runs", body).text)

    def submit(self, run: dict[str, Any], output: str) -> list[Event]:
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = [{"tool_call_id": call["id"], "output": output} for call in calls]
        path = f"/v1/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
        return events_of(self.gateway.post(path, {"tool_outputs": outputs, "stream": True}).text)

    def again(self, run: dict[str, Any], after: int = 0) -> str:
        path = f"/v1/threads/{run['thread_id']}/runs/{run['id']}/events"
        with self.gateway.client() as client:
            return client.get(path, headers={"last-event-id": str(after)} if after else {}).text

    def ended(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return a run once it has ended."""
        until = time.monotonic() + 60
        while True:
            found = self.got(f"threads/{run['thread_id']}/runs/{run['id']}")
            if found["status"] not in ("queued", "in_progress", "cancelling"):
                return found
            assert time.monotonic() < until, found
            time.sleep(0.05)


@pytest.fixture
def caller(gateway: Gateway, upstream: Upstream) -> Caller:
    return Caller(gateway)


@pytest.fixture
def tooled(gateway: Gateway, upstream: Upstream) -> Caller:
    return Caller(gateway, tools=[WEATHER])


@one_server
def test_a_text_is_told_in_openais_order(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["one ", "two ", "three"]), pause=0.05)
    thread = caller.thread()
    events = well_told(caller.run(thread))
    assert names(events) == [*BEGUN, *SAID, *DONE]
    deltas = [event.data["delta"]["content"] for event in events if event.name == "thread.message.delta"]
    assert deltas[0] == [{"index": 0, "type": "text", "text": {"value": "one ", "annotations": []}}]
    assert deltas[1] == [{"index": 0, "type": "text", "text": {"value": "two "}}]
    run = events[-2].data
    assert run["usage"] == {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    assert run == caller.got(f"threads/{thread}/runs/{run['id']}")
    (message,) = [event.data for event in events if event.name == "thread.message.completed"]
    assert message == caller.got(f"threads/{thread}/messages")["data"][0]


@one_server
def test_a_thread_that_is_made_with_its_run_is_told_first(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["one"]))
    answer = caller.gateway.post("/v1/threads/runs", {"assistant_id": caller.assistant, "thread": HI, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = well_told(events_of(answer.text))
    assert names(events) == ["thread.created", *BEGUN, *SAID, *DONE]
    assert events[0].data["id"] == events[1].data["thread_id"]


@one_server
def test_a_call_ends_the_stream_and_its_output_begins_the_next(tooled: Caller, upstream: Upstream):
    upstream.will_stream(calling())
    events = well_told(tooled.run(tooled.thread()))
    assert names(events) == [*BEGUN, *STEP_BEGUN, "thread.run.step.delta", "thread.run.requires_action", "done"]
    assert events[3].data["step_details"] == {"type": "tool_calls", "tool_calls": []}
    run = events[-2].data
    upstream.will_stream(streamed(["It rains."]))
    more = well_told(tooled.submit(run, "rain"), after=events[-2].id)
    assert names(more) == ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress", *SAID, *DONE]
    assert more[0].data["step_details"]["tool_calls"][0]["function"]["output"] == "rain"
    assert events_of(tooled.again(run)) == events
    assert events_of(tooled.again(run, events[-2].id)) == more


@one_server
def test_a_text_before_a_call_is_a_step_that_is_done_before_the_calls(tooled: Caller, upstream: Upstream):
    upstream.will_stream(calling("Let me ", "look."))
    events = well_told(tooled.run(tooled.thread()))
    assert names(events) == [
        *BEGUN, *SAID, *STEP_BEGUN, "thread.run.step.delta", "thread.run.requires_action", "done",
    ]  # fmt: skip
    tooled.gateway.post(f"/v1/threads/{events[0].data['thread_id']}/runs/{events[0].data['id']}/cancel", {})


@one_server
def test_a_model_that_fails_fails_the_run_and_not_the_stream(caller: Caller, upstream: Upstream):
    upstream.will_answer(500, {"error": {"message": "out of order"}})
    events = well_told(caller.run(caller.thread()))
    assert names(events) == [*BEGUN, "thread.run.failed", "done"]
    assert events[-2].data["last_error"]["code"] == "server_error"


@one_server
def test_an_answer_that_breaks_off_leaves_what_there_was(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["half of ", "an answer"])[:3], cut=True, pause=0.05)
    events = well_told(caller.run(caller.thread()))
    assert names(events) == [
        *BEGUN, *MESSAGE_BEGUN, "thread.message.delta", "thread.message.incomplete", "thread.run.step.failed",
        "thread.run.failed", "done",
    ]  # fmt: skip
    (message,) = [event.data for event in events if event.name == "thread.message.incomplete"]
    assert message["content"][0]["text"]["value"] == "half of an answer"
    assert message["incomplete_details"] == {"reason": "run_failed"}


@one_server
def test_a_run_that_is_cancelled_says_so_on_its_stream(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["word "] * 200), pause=0.1)
    thread, text = caller.thread(), ""
    body = {"assistant_id": caller.assistant, "stream": True}
    with caller.gateway.client() as client, client.stream("POST", f"/v1/threads/{thread}/runs", json=body) as answer:
        for piece in answer.iter_text():
            was_said, text = "message.delta" in text, text + piece
            if not was_said and "message.delta" in text:
                run = events_of(text[: text.index("\n\n") + 2])[0].data
                assert caller.gateway.post(f"/v1/threads/{thread}/runs/{run['id']}/cancel", {}).status_code == 200
    told = names(well_told(events_of(text)))
    assert told[-4:] == [
        "thread.message.incomplete", "thread.run.step.cancelled", "thread.run.cancelled", "done",
    ]  # fmt: skip
    assert "thread.run.cancelling" in told


@one_server
def test_a_client_that_leaves_does_not_stop_the_run(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["word "] * 30), pause=0.05)
    thread, text = caller.thread(), ""
    body = {"assistant_id": caller.assistant, "stream": True}
    with caller.gateway.client() as client, client.stream("POST", f"/v1/threads/{thread}/runs", json=body) as answer:
        for piece in answer.iter_text():
            text += piece
            if "thread.message.delta" in text:
                break
    run = events_of(text[: text.rindex("\n\n") + 2])[0].data
    assert caller.ended(run)["status"] == "completed"
    assert len(upstream.requests) == 1
    whole = caller.again(run)
    assert whole.startswith(text)
    message = caller.got(f"threads/{thread}/messages?run_id={run['id']}")["data"][0]
    assert message["content"][0]["text"]["value"] == "word " * 30
    well_told(events_of(whole))


@one_server
def test_a_stream_that_is_lost_anywhere_goes_on_exactly_there(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed([f"{number} " for number in range(10)]))
    events = caller.run(caller.thread())
    run = events[0].data
    for after in range(len(events)):
        assert events_of(caller.again(run, after)) == list(events[after:])


@one_server
def test_many_streams_at_once_are_each_told_their_own(caller: Caller, upstream: Upstream):
    count = 20
    for _ in range(count):
        upstream.will_stream(streamed([f"{number} " for number in range(20)]), pause=0.02)
    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(lambda _: caller.run(caller.thread()), range(count)))
    for events in found:
        assert names(well_told(events)) == [*BEGUN, *SAID, *DONE]
    assert len({events[0].data["id"] for events in found}) == count


@one_server
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("threads/thread_0/runs", {}, 404),
        ("threads/{thread}/runs", {"assistant_id": "asst_0"}, 404),
        ("threads/{thread}/runs", {"temperature": 3}, 400),
        ("threads/runs", {"thread": {"messages": 1}}, 400),
        ("threads/{thread}/runs/run_0/submit_tool_outputs", {"tool_outputs": [{"tool_call_id": "x"}]}, 404),
    ],
)
def test_what_is_refused_is_no_stream(caller: Caller, path: str, body: dict[str, Any], status: int):
    body = {"assistant_id": caller.assistant, "stream": True, **body}
    if path.endswith("outputs"):
        del body["assistant_id"]
    answer = caller.gateway.post("/v1/" + path.format(thread=caller.thread()), body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json()["error"]["type"] == "invalid_request_error"


@one_server
def test_a_thread_that_is_busy_refuses_a_stream_too(tooled: Caller, upstream: Upstream):
    upstream.will_stream(calling())
    run = tooled.run(tooled.thread())[0].data
    body = {"assistant_id": tooled.assistant, "stream": True}
    answer = tooled.gateway.post(f"/v1/threads/{run['thread_id']}/runs", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"Thread {run['thread_id']} already has an active run {run['id']}."
    tooled.gateway.post(f"/v1/threads/{run['thread_id']}/runs/{run['id']}/cancel", {})


@pytest.fixture
def alone(fake_upstream: Upstream) -> Iterator[Gateway]:
    gateway = Gateway()
    try:
        gateway.start()
        gateway.apply(ROUTES.format(url=fake_upstream.url))
        yield gateway
    finally:
        gateway.destroy()


@pytest.mark.skipif(not PRODUCTION, reason="with the web process its worker dies too: runs' own tests have that")
def test_a_web_process_that_dies_is_no_end_of_a_run_and_its_stream_goes_on_at_another(
    alone: Gateway, upstream: Upstream
):
    caller = Caller(alone)
    upstream.will_stream(streamed([f"{number} " for number in range(60)]), pause=0.1)
    thread, text = caller.thread(), ""
    body = {"assistant_id": caller.assistant, "stream": True}
    with alone.client() as client, client.stream("POST", f"/v1/threads/{thread}/runs", json=body) as answer:
        try:
            for piece in answer.iter_text():
                killed, text = "message.delta" in text, text + piece
                if not killed and "message.delta" in text:
                    alone.kill_web()
        except httpx.TransportError:
            pass
    had = events_of(text[: text.rindex("\n\n") + 2])
    assert had[-1].name != "done"
    until = time.monotonic() + 30
    while not answers(alone.base + "/readyz"):
        assert time.monotonic() < until
        time.sleep(0.1)
    events = well_told([*had, *events_of(caller.again(had[0].data, had[-1].id))])
    assert names(events) == [*BEGUN, *SAID, *DONE]
    (message,) = [event.data for event in events if event.name == "thread.message.completed"]
    assert message["content"][0]["text"]["value"] == "".join(f"{number} " for number in range(60))
    assert len(upstream.requests) == 1
