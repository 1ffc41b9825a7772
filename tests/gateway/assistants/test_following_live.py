"""A run's events as a stream: all of them, once, in order, from wherever the client stands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from gateway.assistants.reading import MOST_ROWS
from tests.gateway.assistants.narrating import Narrator
from tests.gateway.assistants.streams import Event, events_of
from tests.live import Gateway

# what is behind the door is the same under each server
pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")


def path(thread: str, run: str) -> str:
    return f"/v1/threads/{thread}/runs/{run}/events"


def followed(gateway: Gateway, thread: str, run: str, after: Any = None, key: str | None = None) -> httpx.Response:
    headers = {} if after is None else {"last-event-id": str(after)}
    with gateway.client(key) as client:
        return client.get(path(thread, run), headers=headers)


@pytest.fixture(scope="module")
def narrator(gateway: Gateway) -> Iterator[Narrator]:
    with Narrator(gateway) as narrator:
        yield narrator


BEGINNING = [["thread.run.created", {"n": 1}], ["thread.run.queued", {"n": 2}], ["thread.run.in_progress", {"n": 3}]]
DELTAS = [["thread.message.delta", {"text": f"{number} ü \0"}] for number in range(4, 8)]
END = [["thread.run.completed", {"n": 8}]]
NAMES = [*(name for name, _ in (*BEGINNING, *DELTAS, *END)), "done"]


@pytest.fixture
def told(gateway: Gateway, narrator: Narrator) -> list[str]:
    """A thread and a run on it that was told to its end."""
    thread, run = narrator.make(gateway.key)
    narrator.append(run, BEGINNING)
    narrator.tell(run, DELTAS)
    narrator.append(run, END, "completed")
    return [thread, run]


def test_a_run_that_has_ended_is_told_again_from_its_first_event(gateway: Gateway, told: list[str]):
    answer = followed(gateway, *told)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert [event.name for event in events] == NAMES
    assert [event.id for event in events] == [1, 2, 3, 4, 5, 6, 7, 8, None]
    assert [event.data for event in events[3:7]] == [data for _, data in DELTAS]
    assert events[-1].data == "[DONE]"
    assert answer.text.endswith("event: done\ndata: [DONE]\n\n")


@pytest.mark.parametrize("after", range(9))
def test_it_goes_on_exactly_behind_the_last_event_that_a_client_has(gateway: Gateway, told: list[str], after: int):
    assert [event.name for event in events_of(followed(gateway, *told, after).text)] == NAMES[after:]


def test_what_is_yet_to_come_is_told_as_it_comes(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    narrator.append(run, BEGINNING)
    with gateway.client() as client, client.stream("GET", path(thread, run)) as answer:
        text = ""
        for number, piece in enumerate(answer.iter_text()):
            text += piece
            if number < len(DELTAS):
                narrator.tell(run, DELTAS[number : number + 1])
            elif number == len(DELTAS):
                narrator.append(run, END, "completed")
    assert [(event.id, event.name) for event in events_of(text)] == [*enumerate(NAMES[:-1], 1), (None, "done")]


def test_many_who_follow_one_run_are_all_told_everything(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    texts: dict[int, str] = {}

    def follow(after: int) -> None:
        texts[after] = followed(gateway, thread, run, after).text

    threads = [threading.Thread(target=follow, args=[after]) for after in range(8)]
    for each in threads:
        each.start()
    narrator.append(run, BEGINNING)
    for delta in DELTAS:
        narrator.tell(run, [delta])
    narrator.append(run, END, "completed")
    for each in threads:
        each.join(30)
    for after, text in texts.items():
        assert [event.name for event in events_of(text)] == NAMES[after:], after
    assert len(texts) == 8


def test_what_nobody_rang_for_is_told_all_the_same(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    narrator.append(run, BEGINNING)
    with gateway.client() as client, client.stream("GET", path(thread, run)) as answer:
        text = ""
        for piece in answer.iter_text():
            if not text:
                narrator.whisper(run, [*DELTAS, *END], "completed")
            text += piece
    assert [event.name for event in events_of(text)] == NAMES


def test_long_logs_are_read_piece_by_piece_while_others_go_on(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    narrator.append(run, BEGINNING)
    narrator.prattle(run, MOST_ROWS * 3)
    narrator.append(run, END, "completed")
    short = narrator.make(gateway.key)
    narrator.append(short[1], [*BEGINNING, *END], "completed")
    with ThreadPoolExecutor(12) as pool:
        long = [pool.submit(followed, gateway, thread, run) for _ in range(8)]
        brief = [pool.submit(followed, gateway, *short) for _ in range(4)]
    for each in brief:
        assert len(events_of(each.result().text)) == len(BEGINNING) + len(END) + 1
    for each in long:
        events = events_of(each.result().text)
        assert [event.id for event in events] == [*range(1, len(events)), None]
        assert len(events) == len(BEGINNING) + MOST_ROWS * 3 + len(END) + 1


def test_a_stream_is_done_where_the_run_waits_for_its_caller(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    narrator.append(run, [*BEGINNING, ["thread.run.requires_action", {"n": 4}]], "requires_action")
    assert [event.name for event in events_of(followed(gateway, thread, run).text)][3:] == [
        "thread.run.requires_action", "done",
    ]  # fmt: skip
    # nobody has done anything since
    assert events_of(followed(gateway, thread, run, 4).text) == [Event(None, "done", "[DONE]")]
    narrator.append(run, [["thread.run.queued", {"n": 5}]], "queued")
    narrator.append(run, [["thread.run.cancelled", {"n": 6}]], "cancelled")
    assert [event.name for event in events_of(followed(gateway, thread, run).text)][3:] == [
        "thread.run.requires_action", "done",
    ]  # fmt: skip
    assert [event.id for event in events_of(followed(gateway, thread, run, 4).text)] == [5, 6, None]


def test_of_a_run_whose_log_is_gone_its_end_is_told(gateway: Gateway, narrator: Narrator, told: list[str]):
    narrator.forget(told[1])
    (event, done) = events_of(followed(gateway, *told, 2).text)
    assert (event.id, event.name, event.data["id"], event.data["status"]) == (
        8, "thread.run.completed", told[1], "completed",
    )  # fmt: skip
    assert done.name == "done"
    assert [event.name for event in events_of(followed(gateway, *told, 8).text)] == ["done"]


def test_a_run_that_is_deleted_meanwhile_ends_its_streams_with_an_enveloped_error(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    narrator.append(run, BEGINNING)
    with gateway.client() as client, client.stream("GET", path(thread, run)) as answer:
        text = ""
        for piece in answer.iter_text():
            if not text:
                narrator.delete(thread)
            text += piece
    *_, error = events_of(text)
    assert (error.id, error.name) == (None, "error")
    assert error.data == {
        "error": {
            "message": f"No run found with id '{run}'.", "type": "invalid_request_error", "param": None, "code": None,
        }
    }  # fmt: skip


def test_a_client_that_leaves_is_forgotten_and_others_go_on(gateway: Gateway, narrator: Narrator):
    thread, run = narrator.make(gateway.key)
    narrator.append(run, BEGINNING)
    with gateway.client() as client, client.stream("GET", path(thread, run)) as answer:
        next(answer.iter_text())
    narrator.tell(run, DELTAS)
    narrator.append(run, END, "completed")
    assert [event.name for event in events_of(followed(gateway, thread, run, 3).text)] == NAMES[3:]


def test_nobody_else_can_follow_a_run(gateway: Gateway, told: list[str]):
    other = gateway.issue_key("other-follower@example.com")
    answer = followed(gateway, *told, key=other)
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"No thread found with id '{told[0]}'.")


def test_runs_are_looked_for_in_their_thread_only(gateway: Gateway, narrator: Narrator, told: list[str]):
    elsewhere, _ = narrator.make(gateway.key)
    answer = followed(gateway, elsewhere, told[1])
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"No run found with id '{told[1]}'.")
    assert followed(gateway, told[0], "run_%00'\"").status_code == 404


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 16, "1 2"])
def test_what_is_no_number_of_an_event_is_refused(gateway: Gateway, told: list[str], after: str):
    answer = followed(gateway, *told, after)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_a_number_beyond_the_log_is_followed_by_nothing(gateway: Gateway, told: list[str]):
    assert [event.name for event in events_of(followed(gateway, *told, 10**14).text)] == ["done"]
