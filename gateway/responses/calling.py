"""The calls of a Response while they are being made. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.responses.making import Event, Item, Said


class Call(Item):
    """A call of one of the caller's functions; ``extra`` is what its model wants back with it."""

    kind, field, delta = "function_call", "arguments", "function_call_arguments"

    def __init__(self, id: str, at: int, call_id: str, name: str, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(id, at)
        self.call_id, self.name, self.extra = call_id, name, extra
        self._text = Said()

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a whole JSON object, after which nothing comes."""
        text = str(self._text)
        return text.rstrip().endswith("}") and _is_object(text)

    def add(self, text: str) -> None:
        self._text.add(text)

    def said(self) -> Iterator[Event]:
        if delta := self._text.news():
            yield self._event(f"{self.delta}.delta", delta=delta)

    def ending(self) -> Iterator[Event]:
        yield self._event(f"{self.delta}.done", **{self.field: str(self._text)}, **self._done())

    def empty(self) -> dict[str, Any]:
        return {**self.shown(), self.field: "", "status": "in_progress"}

    def shown(self) -> dict[str, Any]:
        shown = {"id": self.id, "type": self.kind, "status": self.status, self.field: str(self._text)}
        extra = {"extra_content": self.extra} if self.extra else {}
        return {**shown, "call_id": self.call_id, "name": self.name, **extra}

    def _done(self) -> dict[str, Any]:
        return {"name": self.name}


class CustomCall(Call):
    """A call of one of the caller's tools that takes any text."""

    kind, field, delta = "custom_tool_call", "input", "custom_tool_call_input"

    @property
    def is_whole(self) -> bool:
        return False

    def _done(self) -> dict[str, Any]:
        return {}


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
