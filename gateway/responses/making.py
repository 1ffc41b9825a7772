"""What the output items of a Response have in common while they are made: each says what is new in it as events. Pure.

Events are dicts without their ``sequence_number``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Event = dict[str, Any]


class Said:
    """A text that comes in pieces."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._told = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        return "".join(self._pieces)

    def add(self, text: str) -> None:
        if text:
            self._pieces.append(text)

    def news(self) -> str:
        """Return what was added since it was asked the last time."""
        new, self._told = self._pieces[self._told :], len(self._pieces)
        return "".join(new)


class Item:
    """One item at its place in the output. It is ``whole`` once nothing of it can come after something else began."""

    def __init__(self, id: str, at: int) -> None:
        self.id, self.at = id, at
        self.status = "in_progress"
        self.waits = True

    @property
    def is_whole(self) -> bool:
        return True

    def shown(self) -> dict[str, Any]:
        """Return the item as it stands."""
        raise NotImplementedError

    def said(self) -> Iterator[Event]:
        """Yield what was added since it was asked the last time."""
        raise NotImplementedError

    def ending(self) -> Iterator[Event]:
        """Yield what ends the parts of the item."""
        raise NotImplementedError

    def begin(self) -> Iterator[Event]:
        self.waits = False
        yield {"type": "response.output_item.added", "output_index": self.at, "item": self.empty()}
        yield from self.said()

    def end(self, status: str = "completed") -> Iterator[Event]:
        yield from self.said()
        self.status = status
        yield from self.ending()
        yield {"type": "response.output_item.done", "output_index": self.at, "item": self.shown()}

    def empty(self) -> dict[str, Any]:
        raise NotImplementedError

    def _event(self, type: str, **said: Any) -> Event:
        return {"type": f"response.{type}", "item_id": self.id, "output_index": self.at, **said}
