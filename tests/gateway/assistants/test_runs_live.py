"""Runs through the door: what their model is told, what comes of its answers, who may do what with them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance import shared
from tests.gateway.assistants.running import (
    WEATHER,
    Caller,
    calling,
    calls_of,
    cut,
    of,
    records_of,
    text_of,
)
from tests.gateway.assistants.streams import events_of, names, well_told
from tests.gateway.people import People, settle_in
from tests.gateway.responses.clients import conforms_to
from tests.live import Gateway
from tests.upstream import Upstream, chunk, streamed

# what is behind the door is the same under each server
pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
THREE = {name: 3 * count for name, count in USAGE.items()}


@pytest.fixture
def caller(gateway: Gateway) -> Caller:
    return Caller(gateway)


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


def bodies(upstream: Upstream) -> list[dict[str, Any]]:
    return [request["body"] for request in upstream.requests if request["path"].endswith("chat/completions")]


# a run --------------------------------------------------------------------------------------------------------------


def test_a_run_answers_its_thread_and_is_billed_to_its_caller(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hel", "lo!"]))
    answer = gateway.post("/v1/threads/runs", {"assistant_id": caller.assistant(), "thread": {"messages": [
        {"role": "user", "content": "Hi"}]}})  # fmt: skip
    begun = answer.json()
    assert begun["status"] == "queued"
    assert begun["usage"] is None
    assert begun["expires_at"] == begun["created_at"] + 600
    run = caller.rests(begun)
    assert (run["status"], run["usage"], run["expires_at"]) == ("completed", USAGE, None)
    assert run["started_at"] <= run["completed_at"]
    (message,) = caller.messages(run)
    assert (message["status"], text_of(message), message["assistant_id"]) == (
        "completed",
        "Hello!",
        run["assistant_id"],
    )
    (step,) = caller.steps(run)
    assert (step["type"], step["status"], step["usage"]) == ("message_creation", "completed", USAGE)
    assert step["step_details"]["message_creation"]["message_id"] == message["id"]
    assert caller.get(f"{of(run)}/steps/{step['id']}") == step
    (record,) = records_of(gateway, run, 1)
    assert record["request_id"] == answer.headers["x-request-id"]
    assert (record["step_id"], record["fence"], record["retry_of"]) == (step["id"], 1, None)
    assert (record["operation"], record["status"], record["input_tokens"]) == ("runs", "completed", 10)
    assert conforms_to("RunObject", run)
    assert conforms_to("RunStepObject", step)
    assert names(well_told(events_of(caller.events(run)))) == [
        "thread.created", "thread.run.created", "thread.run.queued", "thread.run.in_progress",
        "thread.run.step.created", "thread.run.step.in_progress", "thread.message.created",
        "thread.message.in_progress", "thread.message.delta", "thread.message.completed",
        "thread.run.step.completed", "thread.run.completed", "done",
    ]  # fmt: skip


def test_who_polls_is_told_when_to_come_again_until_it_has_ended(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]), delay=0.5)
    begun = caller.begin_with()
    assert gateway.get(f"/v1/{of(begun)}").headers["openai-poll-after-ms"].isdigit()
    caller.rests(begun)
    assert "openai-poll-after-ms" not in gateway.get(f"/v1/{of(begun)}").headers


def test_a_model_is_told_all_that_assistant_run_and_thread_say(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]))
    assistant = caller.assistant(instructions="Be nice.", temperature=0.5, top_p=0.9, tools=[WEATHER])
    thread = caller.thread("One")
    run = caller.begin(
        thread,
        assistant,
        additional_instructions="It is Monday.",
        additional_messages=[{"role": "assistant", "content": "Two"}, {"role": "user", "content": "Three"}],
        temperature=0.0,
        max_completion_tokens=300,
        tool_choice="none",
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        reasoning_effort="low",
        metadata={"a": "b"},
    )
    ended = caller.rests(run)
    assert ended["instructions"] == "Be nice.\n\nIt is Monday."
    assert ended["metadata"] == {"a": "b"}
    (body,) = bodies(upstream)
    assert body.pop("messages") == [
        {"role": "system", "content": "Be nice.\n\nIt is Monday."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]
    assert body.pop("stream_options", None) in (None, {"include_usage": True})
    assert body == {
        "model": "upstream-1",
        "temperature": 0.0,
        "top_p": 0.9,
        "max_completion_tokens": 300,
        "tools": [WEATHER],
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
        "stream": True,
    }
    assert [text_of(each) for each in caller.get(f"threads/{thread}/messages?order=asc")["data"]] == [
        "One", "Two", "Three", "Hello",
    ]  # fmt: skip


def test_a_run_takes_the_place_of_what_its_assistant_says_and_of_nothing_else(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]))
    assistant = caller.assistant(model="refused", instructions="Be nice.", tools=[WEATHER])
    run = caller.ran("Hello", assistant=assistant, model="fake", instructions="Be brief.", tools=[])
    assert (run["model"], run["instructions"], run["tools"]) == ("fake", "Be brief.", [])
    (body,) = bodies(upstream)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "tools" not in body
    assert caller.get(f"assistants/{assistant}")["instructions"] == "Be nice."


def test_only_the_last_messages_are_told_where_the_run_says_so(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]))
    run = caller.ran("One", "Two", "Three", truncation_strategy={"type": "last_messages", "last_messages": 2})
    assert run["truncation_strategy"] == {"type": "last_messages", "last_messages": 2}
    assert [message["content"] for message in bodies(upstream)[0]["messages"]] == ["Two", "Three"]


def test_messages_in_the_middle_go_where_the_prompt_is_bounded(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]))
    long = "word " * 120
    run = caller.ran("First", long, long, "Last", max_prompt_tokens=256)
    assert run["status"] == "completed"
    assert [message["content"] for message in bodies(upstream)[0]["messages"]] == ["First", long, "Last"]


def test_a_prompt_that_cannot_be_cut_is_not_sent(caller: Caller, upstream: Upstream):
    run = caller.ran("word " * 400, max_prompt_tokens=256)
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_prompt_tokens"})
    assert bodies(upstream) == []


def test_pictures_are_told_by_their_address_or_their_content(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Nice"]))
    with gateway.client() as client:
        file = client.post("/v1/files", files={"file": ("a.png", b"PNG")}, data={"purpose": "vision"}).json()["id"]
    content = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_file", "image_file": {"file_id": file, "detail": "low"}},
    ]
    thread = caller.post("threads", {"messages": [{"role": "user", "content": content}]})["id"]
    assert caller.rests(caller.begin(thread))["status"] == "completed"
    told = bodies(upstream)[0]["messages"][0]["content"]
    assert told[:2] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    assert told[2]["image_url"]["url"].endswith(";base64,UE5H")
    assert told[2]["image_url"]["detail"] == "low"


# functions ----------------------------------------------------------------------------------------------------------


def test_functions_are_left_to_the_caller_and_the_run_goes_on_with_what_came_of_them(
    gateway: Gateway, caller: Caller, upstream: Upstream
):
    upstream.will_stream(
        calling(("call_1", "weather", {"city": "Rome"}), ("call_2", "weather", {"city": "Oslo"}), text="Let me see")
    )
    upstream.will_stream(calling(("call_1", "weather", {"city": "Bern"})))
    upstream.will_stream(streamed(["Sunny."]))
    assistant = caller.assistant(tools=[WEATHER], instructions="Be nice.")
    run = caller.ran("Weather?", assistant=assistant, tool_choice="required")
    assert run["status"] == "requires_action"
    assert run["usage"] is None
    assert [call["function"] for call in calls_of(run)] == [
        {"name": "weather", "arguments": '{"city": "Rome"}'},
        {"name": "weather", "arguments": '{"city": "Oslo"}'},
    ]
    assert conforms_to("RunObject", run)
    said, called = caller.steps(run)
    assert (said["type"], said["status"], said["usage"]) == ("message_creation", "completed", None)
    assert (called["type"], called["status"], called["usage"]) == ("tool_calls", "in_progress", None)
    assert [call["function"]["output"] for call in called["step_details"]["tool_calls"]] == [None, None]

    again = caller.submit(run, "hot", "cold")
    assert (again["status"], again["required_action"], again["expires_at"]) == ("queued", None, run["expires_at"])
    run = caller.rests(run)
    assert run["status"] == "requires_action"
    (call,) = calls_of(run)
    assert call["id"] != "call_1"  # ids are the run's own
    caller.submit(run, "mild")
    run = caller.rests(run)
    assert (run["status"], run["usage"]) == ("completed", THREE)

    steps = caller.steps(run)
    assert [(step["type"], step["status"]) for step in steps] == [
        ("message_creation", "completed"), ("tool_calls", "completed"), ("tool_calls", "completed"),
        ("message_creation", "completed"),
    ]  # fmt: skip
    assert [step["usage"] for step in steps] == [None, USAGE, USAGE, USAGE]
    assert [each["function"]["output"] for each in steps[1]["step_details"]["tool_calls"]] == ["hot", "cold"]
    assert all(conforms_to("RunStepObject", step) for step in steps)
    first, second, third = bodies(upstream)
    assert first["tool_choice"] == "required"
    assert "tool_choice" not in second
    assert third["messages"] == [
        {"role": "system", "content": "Be nice."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Letmesee", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "hot"},
        {"role": "tool", "tool_call_id": "call_2", "content": "cold"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": call["id"], "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}},
        ]},
        {"role": "tool", "tool_call_id": call["id"], "content": "mild"},
    ]  # fmt: skip
    records = records_of(gateway, run, 3)
    assert [record["step_id"] for record in records] == [steps[0]["id"], steps[2]["id"], steps[3]["id"]]
    assert [record["fence"] for record in records] == [1, 2, 3]
    assert len({record["request_id"] for record in records}) == 1


def test_a_run_that_was_answered_before_says_nothing_of_its_calls_to_the_next_one(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    upstream.will_stream(streamed(["Sunny."]))
    upstream.will_stream(streamed(["Bye."]))
    assistant = caller.assistant(tools=[WEATHER])
    run = caller.ran("Weather?", assistant=assistant)
    caller.submit(run, "hot")
    caller.rests(run)
    caller.post(f"threads/{run['thread_id']}/messages", {"role": "user", "content": "Thanks"})
    caller.rests(caller.begin(run["thread_id"], assistant))
    assert bodies(upstream)[2]["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "Thanks"},
    ]


def test_outputs_are_taken_all_at_once_and_only_for_the_calls_that_wait(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {}), ("call_2", "weather", {})))
    upstream.will_stream(streamed(["Sunny."]))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    path = f"{of(run)}/submit_tool_outputs"

    def refused(*ids: str) -> Any:
        return caller.post(path, {"tool_outputs": [{"tool_call_id": id, "output": "x"} for id in ids]}, 400)

    assert refused("call_1")["message"] == "Expected tool outputs for call_ids ['call_1', 'call_2'], got ['call_1']"
    for ids in ((), ("call_1", "call_3"), ("call_1", "call_2", "call_3"), ("call_1", "call_1", "call_2")):
        assert refused(*ids)["type"] == "invalid_request_error"
    assert caller.look(run)["status"] == "requires_action"
    caller.submit(run, "a", "b")
    assert "do not accept tool outputs" in refused("call_1", "call_2")["message"]
    assert caller.rests(run)["status"] == "completed"
    assert "do not accept tool outputs" in refused("call_1", "call_2")["message"]
    assert len(bodies(upstream)) == 2


def test_two_who_submit_at_one_time_are_not_both_heard(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    upstream.will_stream(streamed(["Sunny."]))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    body = {"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]}
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(gateway.post, f"/v1/{of(run)}/submit_tool_outputs", body) for _ in range(4)]
        assert sorted(each.result().status_code for each in asked) == [200, 400, 400, 400]
    assert caller.rests(run)["status"] == "completed"
    assert len(bodies(upstream)) == 2


# ends ---------------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_too_long_leaves_run_and_message_incomplete(caller: Caller, upstream: Upstream):
    upstream.will_stream(cut("length", "Once ", "upon"))
    run = caller.ran("Tell", max_completion_tokens=16)
    assert run["completed_at"] >= run["started_at"]
    assert (run["failed_at"], run["cancelled_at"]) == (None, None)
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_completion_tokens"})
    (message,) = caller.messages(run)
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "max_tokens"})
    assert text_of(message) == "Once upon"
    well_told(events_of(caller.events(run)))


def test_tokens_are_bounded_over_all_calls_of_a_run(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {}), usage={**USAGE, "completion_tokens": 256}))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]), max_completion_tokens=256)
    caller.submit(run, "hot")
    run = caller.rests(run)
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_completion_tokens"})
    assert len(bodies(upstream)) == 1
    well_told(events_of(caller.events(run)))


def test_what_a_filter_stops_has_failed(caller: Caller, upstream: Upstream):
    upstream.will_stream(cut("content_filter", "Once"))
    run = caller.ran("Tell")
    assert (run["status"], run["last_error"]["code"]) == ("failed", "invalid_prompt")
    (message,) = caller.messages(run)
    assert message["incomplete_details"] == {"reason": "content_filter"}


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_prompt"), (429, "rate_limit_exceeded"), (500, "server_error"), (503, "server_error")],
)
def test_an_upstream_that_refuses_fails_the_run(caller: Caller, upstream: Upstream, status: int, code: str):
    upstream.will_answer(status, {"error": {"message": "No.", "type": "x", "param": None, "code": None}})
    run = caller.ran("Tell")
    assert (run["status"], run["last_error"]["code"]) == ("failed", code)
    assert run["failed_at"] is not None
    assert caller.steps(run) == []
    assert conforms_to("RunObject", run)
    well_told(events_of(caller.events(run)))
    upstream.will_stream(streamed(["Hello"]))
    assert caller.rests(caller.begin(run["thread_id"]))["status"] == "completed"


def test_an_answer_that_breaks_off_fails_with_what_there_is_of_it(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Once ", "upon"], done=False)[:3], cut=True)
    run = caller.ran("Tell")
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")
    (message,) = caller.messages(run)
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "run_failed"})
    assert text_of(message) == "Once upon"
    (step,) = caller.steps(run)
    assert (step["status"], step["last_error"]["code"]) == ("failed", "server_error")
    assert names(well_told(events_of(caller.events(run))))[-4:] == [
        "thread.message.incomplete", "thread.run.step.failed", "thread.run.failed", "done",
    ]  # fmt: skip


def test_a_key_that_is_revoked_meanwhile_calls_nothing_more(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    key, other_key = (gateway.issue_key("leaving@example.com") for _ in range(2))
    gateway.take_in()
    leaving, other = Caller(gateway, key), Caller(gateway, other_key)
    run = leaving.ran("Weather?", assistant=leaving.assistant(tools=[WEATHER]))
    gateway.sql("UPDATE accounts_apikey SET revoked_at = '2026-11-01 00:00:00+00:00' WHERE public_id = %s", public(key))
    gateway.take_in()
    leaving.get(of(run), 401)
    if gateway.with_worker:
        time.sleep(3)  # a worker, too, takes it in within a second, and tells nobody so
    other.submit(run, "hot")
    run = other.rests(run)
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")
    assert "revoked" in run["last_error"]["message"]
    assert len(bodies(upstream)) == 1


def public(key: str) -> str:
    return key.removeprefix("sk-tg-").split("-")[0]


# cancelling ---------------------------------------------------------------------------------------------------------


def test_a_run_that_is_cancelled_stops_its_model(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["word "] * 100), pause=0.1)
    begun = caller.begin_with("Tell")
    until = time.monotonic() + 30
    while not (gateway.sql("SELECT last_event FROM gateway_run WHERE handle = %s", begun["id"])[0][0] > 8):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert caller.post(f"{of(begun)}/cancel")["status"] == "cancelling"
    run = caller.rests(begun)
    assert run["status"] == "cancelled"
    assert run["cancelled_at"] is not None
    assert len(upstream.left) == 1
    (message,) = caller.messages(run)
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "run_cancelled"})
    assert text_of(message).startswith("word word")
    (step,) = caller.steps(run)
    assert (step["status"], step["cancelled_at"] is not None) == ("cancelled", True)
    (record,) = records_of(gateway, run, 1)
    assert record["status"] == "cancelled"
    assert names(well_told(events_of(caller.events(run))))[-4:] == [
        "thread.message.incomplete", "thread.run.step.cancelled", "thread.run.cancelled", "done",
    ]  # fmt: skip
    assert "Cannot cancel run" in caller.post(f"{of(run)}/cancel", status=400)["message"]


def test_a_run_that_waits_for_outputs_is_cancelled_at_once(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    looks = caller.post(f"{of(run)}/cancel")
    assert (looks["status"], looks["required_action"]) == ("cancelling", None)
    run = caller.look(run)
    assert run["status"] == "cancelled"
    (step,) = caller.steps(run)
    assert step["status"] == "cancelled"
    assert names(well_told(events_of(caller.events(run)), 0)[:-1])[-1] in ("thread.run.requires_action",)
    upstream.will_stream(streamed(["Hello"]))
    assert caller.rests(caller.begin(run["thread_id"]))["status"] == "completed"


# time ---------------------------------------------------------------------------------------------------------------


def let_expire(gateway: Gateway, run: Any) -> None:
    gateway.sql("UPDATE gateway_run SET expires_at = '2026-01-01 00:00:00+00:00' WHERE handle = %s", run["id"])


def test_a_run_whose_time_is_over_has_expired_when_somebody_looks(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    let_expire(gateway, run)
    assert '"expired" do not accept' in caller.submit(run, "hot", status=400)["message"]
    run = caller.look(run)
    assert (run["status"], run["expires_at"], run["required_action"]) == ("expired", None, None)
    (step,) = caller.steps(run)
    assert (step["status"], step["expired_at"] is not None) == ("expired", True)
    assert "Cannot cancel run" in caller.post(f"{of(run)}/cancel", status=400)["message"]


def test_a_thread_is_free_again_once_its_run_has_expired(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    upstream.will_stream(streamed(["Hello"]))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    let_expire(gateway, run)
    caller.post(f"threads/{run['thread_id']}/messages", {"role": "user", "content": "Still there?"})
    assert caller.rests(caller.begin(run["thread_id"]))["status"] == "completed"
    listed = caller.get(f"threads/{run['thread_id']}/runs")["data"]
    assert [each["status"] for each in listed] == ["completed", "expired"]


def test_a_run_at_work_is_stopped_when_its_time_is_over(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["word "] * 100), pause=0.1)
    begun = caller.begin_with("Tell")
    until = time.monotonic() + 30
    while not (gateway.sql("SELECT last_event FROM gateway_run WHERE handle = %s", begun["id"])[0][0] > 8):
        assert time.monotonic() < until
        time.sleep(0.05)
    let_expire(gateway, begun)
    run = caller.look(begun)
    assert run["status"] == "expired"
    while not upstream.left:
        assert time.monotonic() < until
        time.sleep(0.05)
    (message,) = caller.messages(run)
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "run_expired"})
    assert text_of(message).startswith("word word")
    well_told(events_of(caller.events(run)))


def test_the_sweeper_ends_what_nobody_looks_at(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    let_expire(gateway, run)
    until = time.monotonic() + 30
    while gateway.sql("SELECT status FROM gateway_run WHERE handle = %s", run["id"]) != [("expired",)]:
        assert time.monotonic() < until
        time.sleep(0.2)


# one at a time ------------------------------------------------------------------------------------------------------


def test_one_run_at_a_time_works_on_a_thread_and_nobody_adds_messages_meanwhile(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    thread = run["thread_id"]
    error = caller.post(f"threads/{thread}/runs", {"assistant_id": caller.assistant()}, 400)
    assert error == {
        "message": f"Thread {thread} already has an active run {run['id']}.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    error = caller.post(f"threads/{thread}/messages", {"role": "user", "content": "x"}, 400)
    assert error["message"] == f"Can't add messages to {thread} while a run {run['id']} is active."
    caller.post(f"{of(run)}/cancel")


def test_of_many_who_begin_a_run_at_one_time_one_does(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]), delay=1.0)
    thread, assistant = caller.thread("Hello"), caller.assistant()
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(gateway.post, f"/v1/threads/{thread}/runs", {"assistant_id": assistant}) for _ in range(6)]
        answers = [each.result() for each in asked]
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400, 400, 400]
    caller.rests(next(each.json() for each in answers if each.status_code == 200))
    assert len(bodies(upstream)) == 1


def test_a_thread_that_is_deleted_takes_its_run_along(gateway: Gateway, caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["word "] * 100), pause=0.1)
    begun = caller.begin_with("Tell")
    caller.until(begun, "in_progress")
    until = time.monotonic() + 30
    while not bodies(upstream):
        assert time.monotonic() < until
        time.sleep(0.05)
    caller.delete(f"threads/{begun['thread_id']}")
    while not upstream.left:
        assert time.monotonic() < until
        time.sleep(0.05)
    caller.get(of(begun), 404)
    (record,) = records_of(gateway, begun, 1)
    assert record["status"] == "cancelled"


def test_a_run_has_all_it_needs_of_an_assistant_that_is_deleted(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    upstream.will_stream(streamed(["Sunny."]))
    assistant = caller.assistant(tools=[WEATHER])
    run = caller.ran("Weather?", assistant=assistant)
    caller.delete(f"assistants/{assistant}")
    caller.submit(run, "hot")
    run = caller.rests(run)
    assert (run["status"], run["assistant_id"]) == ("completed", assistant)


# what is refused ----------------------------------------------------------------------------------------------------


def test_a_run_needs_something_to_answer(caller: Caller, upstream: Upstream):
    thread = caller.post("threads")["id"]
    error = caller.post(f"threads/{thread}/runs", {"assistant_id": caller.assistant()}, 400)
    assert (error["code"], error["param"]) == ("invalid_thread", None)
    assert error["message"] == ("Run creation requires a Thread with a user message or an assistant with instructions.")
    for thread_to_make in ({}, {"messages": [{"role": "assistant", "content": "Well?"}]}):
        asked = {"assistant_id": caller.assistant(), "thread": thread_to_make}
        assert caller.post("threads/runs", asked, 400)["code"] == "invalid_thread"
    upstream.will_stream(streamed(["Hello"]))
    assert caller.rests(caller.begin(thread, caller.assistant(instructions="Greet.")))["status"] == "completed"


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"max_prompt_tokens": 255}, "max_prompt_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"instructions": "x" * 300_000}, "instructions"),
        ({"additional_instructions": "x" * 300_000}, "additional_instructions"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "nothing"}}}, "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"truncation_strategy": {"type": "last_messages"}}, "truncation_strategy.last_messages"),
        ({"truncation_strategy": {"type": "last_messages", "last_messages": 0}}, "truncation_strategy.last_messages"),
        ({"temperature": 3}, "temperature"),
        ({"response_format": "json"}, "response_format"),
        ({"tools": [{"type": "browser"}]}, "tools[0].type"),
        ({"tools": [WEATHER] * 21}, "tools"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"additional_messages": [{"role": "system", "content": "x"}]}, "additional_messages[0].role"),
        ({"colour": "red"}, "colour"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_when_the_run_is_made(caller: Caller, upstream: Upstream, said: Any, param: str):
    thread = caller.thread("Hello")
    error = caller.post(f"threads/{thread}/runs", {"assistant_id": caller.assistant(), **said}, 400)
    assert error["param"] == param
    assert caller.get(f"threads/{thread}/runs")["data"] == []
    error = caller.post("threads/runs", {"assistant_id": caller.assistant(), **said}, 400)
    assert error["param"] == (param if not param.startswith("additional") else param.partition("[")[0])


def test_a_run_that_would_execute_code_says_which_setting_lets_it(caller: Caller, upstream: Upstream):
    assistant = caller.assistant(tools=[{"type": "code_interpreter"}, WEATHER])
    thread = caller.thread("Count")
    error = caller.post(f"threads/{thread}/runs", {"assistant_id": assistant}, 400)
    assert error["param"] == "tools"
    assert "TOLLGATE_SANDBOX" in error["message"]
    for said in ({"tool_choice": "none"}, {"tools": [WEATHER]}):
        upstream.will_stream(streamed(["Hello"]))
        assert caller.rests(caller.begin(thread, assistant, **said))["status"] == "completed"


def test_a_model_that_may_not_be_called_is_refused_when_the_run_is_made(caller: Caller):
    thread = caller.thread("Hello")
    error = caller.post(f"threads/{thread}/runs", {"assistant_id": caller.assistant(), "model": "nothing"}, 404)
    assert error["code"] == "model_not_found"
    error = caller.post(f"threads/{thread}/runs", {"assistant_id": caller.assistant(), "model": "unpriced"}, 400)
    assert error["code"] == "model_not_priced"
    assert caller.get(f"threads/{thread}/runs")["data"] == []


def test_nobody_else_sees_guesses_or_changes_a_run(gateway: Gateway, people: People, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {})))
    bob = Caller(gateway, people.bob)
    run = bob.ran("Weather?", assistant=bob.assistant(tools=[WEATHER]))
    (step,) = bob.steps(run)
    for key in (people.alice, people.charlie, people.dave, people.machine):
        other = Caller(gateway, key)
        assistant, thread = other.assistant(), other.thread("Hello")
        outputs = {"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]}
        for path in (of(run), f"{of(run)}/steps", f"{of(run)}/steps/{step['id']}", f"threads/{run['thread_id']}/runs"):
            other.get(path, 404)
        for path, body in (
            (of(run), {"metadata": {}}),
            (f"{of(run)}/cancel", {}),
            (f"{of(run)}/submit_tool_outputs", outputs),
            (f"threads/{run['thread_id']}/runs", {"assistant_id": assistant}),
            (f"threads/{thread}/runs", {"assistant_id": run["assistant_id"]}),
            ("threads/runs", {"assistant_id": run["assistant_id"]}),
        ):
            other.post(path, body, 404)
        # a run is found in its own thread only
        other.get(f"threads/{thread}/runs/{run['id']}", 404)
    assert bob.look(run)["status"] == "requires_action"
    bob.get(f"{of(run)}/steps/step_nothing", 404)
    bob.get(f"threads/{run['thread_id']}/runs/run_nothing", 404)
    bob.get(f"threads/{run['thread_id']}/runs/%00", 404)
    bob.post(f"{of(run)}/cancel")


# lists and metadata -------------------------------------------------------------------------------------------------


def test_runs_are_listed_both_ways(caller: Caller, upstream: Upstream):
    thread, assistant = caller.thread("Hello"), caller.assistant()
    made = []
    for _ in range(3):
        upstream.will_stream(streamed(["Hello"]))
        made.append(caller.rests(caller.begin(thread, assistant))["id"])

    def page(query: str) -> Any:
        return caller.get(f"threads/{thread}/runs?{query}")

    def listed(query: str) -> list[str]:
        return [each["id"] for each in page(query)["data"]]

    assert listed("") == made[::-1]
    assert listed("order=asc") == made
    assert listed(f"order=asc&after={made[0]}&limit=1") == [made[1]]
    assert listed(f"before={made[0]}") == made[:0:-1]
    assert listed(f"order=asc&before={made[2]}&limit=1") == [made[1]]
    first = page("limit=2")
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, made[2], made[1])
    assert caller.get(f"threads/{thread}/runs?after=run_nothing", 400)["param"] == "after"
    assert conforms_to("ListRunsResponse", page(""))


def test_steps_are_listed_both_ways_and_contents_only_where_they_are_asked_for(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "weather", {}), text="Well"))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    first, second = caller.steps(run)
    assert [each["id"] for each in caller.get(f"{of(run)}/steps")["data"]] == [second["id"], first["id"]]
    assert [each["id"] for each in caller.get(f"{of(run)}/steps?after={second['id']}")["data"]] == [first["id"]]
    assert [each["id"] for each in caller.get(f"{of(run)}/steps?before={first['id']}")["data"]] == [second["id"]]
    included = "include[]=step_details.tool_calls[*].file_search.results[*].content"
    assert len(caller.get(f"{of(run)}/steps?{included}")["data"]) == 2
    assert caller.get(f"{of(run)}/steps?include[]=everything", 400)["param"] == "include"
    if shared.PRESENT:
        assert conforms_to("ListRunStepsResponse", caller.get(f"{of(run)}/steps"))
    caller.post(f"{of(run)}/cancel")


def test_metadata_is_put_in_the_place_of_what_was_there_once_the_run_rests(caller: Caller, upstream: Upstream):
    upstream.will_stream(streamed(["Hello"]), delay=0.5)
    begun = caller.begin_with(metadata={"a": "1"})
    caller.until(begun, "in_progress")
    error = caller.post(of(begun), {"metadata": {"modified": "x"}}, 400)
    assert error["message"] == "Cannot update run with status 'in_progress'."
    error = caller.post(of(begun), {"metadata": {"modified": True}}, 400)
    assert error["param"] == "metadata.modified"
    caller.rests(begun)
    assert caller.post(of(begun), {"metadata": {"b": "2"}})["metadata"] == {"b": "2"}
    assert caller.post(of(begun))["metadata"] == caller.look(begun)["metadata"] == {"b": "2"}
    assert caller.post(of(begun), {"status": "queued"}, 400)["param"] == "status"


# limits -------------------------------------------------------------------------------------------------------------


def test_a_run_waits_for_its_rate_limits(gateway: Gateway, upstream: Upstream):
    key = gateway.issue_key("slow@example.com")
    ((id,),) = gateway.sql("SELECT id FROM accounts_apikey WHERE public_id = %s", public(key))
    row = {"api_key_id": id, "model": "", "rpm": None, "tpm": None, "parallel": 1,
           "created_at": "2026-11-01 00:00:00+00:00"}  # fmt: skip
    places = ", ".join("%s" for _ in row)
    gateway.sql(f"INSERT INTO billing_limit ({', '.join(row)}) VALUES ({places})", *row.values())
    gateway.take_in()
    slow = Caller(gateway, key)
    assistant = slow.assistant()
    for _ in range(3):
        upstream.will_stream(streamed(["Hello"]), delay=0.4)
    runs = [slow.begin(slow.thread("Hello"), assistant) for _ in range(3)]
    assert [slow.rests(run)["status"] for run in runs] == ["completed"] * 3
    gateway.sql("DELETE FROM billing_limit")
    gateway.take_in()


def test_a_budget_that_is_spent_fails_the_run_and_says_so(gateway: Gateway, upstream: Upstream):
    key = gateway.issue_key("poor@example.com")
    ((id,),) = gateway.sql("SELECT id FROM accounts_apikey WHERE public_id = %s", public(key))
    gateway.budget(1, api_key_id=id)
    poor = Caller(gateway, key)
    run = poor.ran("Hello", assistant=poor.assistant())
    assert (run["status"], run["last_error"]["code"]) == ("failed", "rate_limit_exceeded")
    assert bodies(upstream) == []


def test_text_that_follows_a_call_is_told_to_the_model_again(caller: Caller, upstream: Upstream):
    events = calling(("call_1", "weather", {}))
    late = f"data: {json.dumps(chunk({'content': 'So.'}))}\n\n"
    upstream.will_stream([*events[:-3], late, *events[-3:]])
    upstream.will_stream(streamed(["Sunny."]))
    run = caller.ran("Weather?", assistant=caller.assistant(tools=[WEATHER]))
    caller.submit(run, "hot")
    run = caller.rests(run)
    assert [step["type"] for step in caller.steps(run)] == ["tool_calls", "message_creation"]
    assert bodies(upstream)[1]["messages"][1]["content"] == "So."
