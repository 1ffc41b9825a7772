"""A run's stream as clients read it, and what must hold of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from gateway.assistants.states import OPEN, REQUIRES_ACTION, TERMINAL, may_follow
from tests.conformance import shared
from tests.gateway.responses import specification

STEP, MESSAGE, RUN = "thread.run.step.", "thread.message.", "thread.run."
CLOSES = {STEP: ("completed", "failed", "cancelled", "expired"), MESSAGE: ("completed", "incomplete")}
RESTS = (REQUIRES_ACTION, *TERMINAL)


class Event(NamedTuple):
    id: int | None
    name: str
    data: Any


def events_of(text: str) -> list[Event]:
    """Return the events of a stream."""
    return [_event(block) for block in text.split("\n\n") if block]


def _event(block: str) -> Event:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    data = fields["data"] if fields["event"] == "done" else json.loads(fields["data"])
    return Event(int(fields["id"]) if "id" in fields else None, fields["event"], data)


def names(events: Iterable[Event]) -> list[str]:
    """Return the events' names; deltas that follow each other are said once."""
    found: list[str] = []
    for event in events:
        if not (found and found[-1] == event.name and event.name.endswith(".delta")):
            found.append(event.name)
    return found


def well_told(events: Sequence[Event], after: int = 0) -> Sequence[Event]:
    """Hold a whole stream against what clients rely on; return it.

    Numbers without a gap; statuses that may follow each other; one step and one message open at a time, each begun
    before it goes on; deltas that add up to what the end says; at last the run rests, and `done` says so.
    """
    *told, done = events
    assert (done.name, done.data) == ("done", "[DONE]")
    assert [event.id for event in told] == list(range(after + 1, after + 1 + len(told)))
    assert done.id is None
    _check_run([event for event in told if _kind(event) == RUN])
    for kind in (STEP, MESSAGE):
        _check_things(kind, [event for event in told if _kind(event) == kind], is_whole=not after)
    assert told[-1].name.removeprefix(RUN) in RESTS
    for event in told:
        assert "error" not in event.data, event
        _conforms(event)
    return events


def _kind(event: Event) -> str:
    return next((kind for kind in (STEP, MESSAGE, RUN) if event.name.startswith(kind)), "")


def _conforms(event: Event) -> None:
    if shared.PRESENT:
        said = {"event": event.name, "data": event.data}
        assert specification.openai("AssistantStreamEvent", said) == [], said


def _check_run(events: list[Event]) -> None:
    assert len({event.data["id"] for event in events}) == 1
    statuses = [event.data["status"] for event in events if event.name != "thread.run.created"]
    assert [event.name.removeprefix(RUN) for event in events if event.name != "thread.run.created"] == statuses
    for before, then in pairwise(statuses):
        assert may_follow(before, then), statuses
    assert all(status in OPEN for status in statuses[:-1])


def _check_things(kind: str, events: list[Event], *, is_whole: bool) -> None:
    """``is_whole``: nothing was begun before these."""
    open_id, seen, heard = "", set[str](), ""
    for number, event in enumerate(events):
        id, verb = event.data["id"], event.name.removeprefix(kind)
        assert isinstance(id, str)
        if verb == "created":
            assert open_id == "" or (not is_whole and number == 0), events
            assert id not in seen, events
            assert kind == STEP or event.data["content"] == []
            open_id, heard = id, ""
            seen.add(id)
        else:
            assert id == open_id or (not is_whole and number == 0), (event, open_id)
        if verb == "delta":
            assert "id" not in event.data["delta"]
            heard += _text(event)
        if verb in CLOSES[kind]:
            if kind == MESSAGE and (is_whole or number):
                assert heard == "".join(part.get("text", {}).get("value", "") for part in event.data["content"])
            open_id = ""


def _text(event: Event) -> str:
    return "".join(part.get("text", {}).get("value", "") for part in event.data["delta"].get("content", ()))
