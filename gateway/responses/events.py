"""A Response as a stream of events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.responses.answer import Draft
from gateway.responses.making import Event


class EventWriter:
    """Turns the chunks of a chat answer into events, all numbered. ``response`` is the one that stands at the end.

    ``is_background``: the Response was queued before it began.
    """

    def __init__(self, draft: Draft, *, is_background: bool = False) -> None:
        self.response: dict[str, Any] | None = None
        self._draft = draft
        self._is_background = is_background
        self._output = draft.output()
        self._number = 0

    def items(self) -> list[dict[str, Any]]:
        """Return the output as far as it has come."""
        return self._output.items()

    def begin(self) -> list[Event]:
        """Return the events before the first chunk."""
        states = ("created", "queued", "in_progress") if self._is_background else ("created", "in_progress")
        return self._numbered(_of(state, self._draft.started(self._status_when(state))) for state in states)

    def feed(self, chunk: Mapping[str, Any]) -> list[Event]:
        """Return what a chunk says."""
        return self._numbered(self._output.feed(chunk))

    def end(self) -> list[Event]:
        """Return what ends a whole answer: the ends of its items, then the Response as ``Draft.finished`` has it."""
        ended = list(self._output.end())
        self.response = self._draft.composed(self._output)
        return self._numbered([*ended, _of(self.response["status"], self.response)])

    def fail(self, code: str | None, message: str) -> list[Event]:
        """Return what ends an answer that broke off; what there is of it stays."""
        self.response = self._draft.failed(code, message, [cut(item) for item in self.items()])
        return self._numbered([_of("failed", self.response)])

    def _status_when(self, state: str) -> str:
        return "queued" if self._is_background and state == "created" else STATUSES[state]

    def _numbered(self, events: Iterable[Event]) -> list[Event]:
        numbered = []
        for event in events:
            numbered.append({**event, "sequence_number": self._number})
            self._number += 1
        return numbered


STATUSES: Mapping[str, str] = {"created": "in_progress", "queued": "queued", "in_progress": "in_progress"}


def cut(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as it is left where its end never comes."""
    return {**item, "status": "incomplete"} if item.get("status") == "in_progress" else dict(item)


def _of(state: str, response: dict[str, Any]) -> Event:
    return {"type": f"response.{state}", "response": response}


def encoded(event: Mapping[str, Any]) -> bytes:
    """Return an event as it goes over the wire."""
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), msgspec.json.encode(event))
