"""The chunks of a stream, put together to the whole answer that they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.caching.messages import Events
from providers.chunks import Chunk
from providers.translated import Translated, original_of

WHOLE = {"chat.completion.chunk": "chat.completion"}
# said once, however often it is repeated; all other texts are pieces
ONCE = frozenset({"role", "id", "type", "name"})
# lists whose items come in pieces, by their index
INDEXED = frozenset({"tool_calls", "thinking_blocks"})
# of the chunks, and not of the answer
OF_CHUNKS = frozenset({"choices", "usage", "object", "obfuscation"})
# what cannot be put together: sound comes in another format, each piece encoded by itself
NEVER = frozenset({"audio", "error"})
# what parts of the wrong kind raise
MISSHAPEN = (AttributeError, LookupError, TypeError, ValueError)


class _Text(list[str]):
    """The pieces of a text."""


class _Items(dict[int, dict[str, Any]]):
    """The items of a list by their index."""


class Assembly:
    """Takes in the chunks of one stream; gives up beyond ``most`` characters."""

    def __init__(self, most: int) -> None:
        self.has_given_up = False
        self._most = most
        self._size = 0
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._events: Events | None = None

    def add(self, chunk: Chunk) -> None:
        """Take in what the caller is told. Never raises: what is misshapen is not put together."""
        if self.has_given_up:
            return
        try:
            self._add(chunk)
        except MISSHAPEN:
            self._give_up()
        if self._size > self._most or "error" in chunk.data:
            self._give_up()

    def answer(self, usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the answer, None where there is none: it was given up, or has no end.

        What an upstream has said in another dialect stands beside it, put together too.
        """
        try:
            return self._answer(usage)
        except MISSHAPEN:
            return None

    def _answer(self, usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
        choices = [_whole_choice(index, self._choices[index]) for index in sorted(self._choices)]
        if self.has_given_up or not choices or any(choice["finish_reason"] is None for choice in choices):
            return None
        whole = {**self._head, "choices": choices, **({"usage": dict(usage)} if usage else {})}
        if self._events is None:
            return whole
        message = self._events.message()
        return None if message is None else Translated(whole, message)

    def _add(self, chunk: Chunk) -> None:
        event = original_of(chunk.data)
        if event is not None:
            self._events = self._events or Events()
            self._events.add(event)
        if chunk.raw != b"":
            self._note_head(chunk.data)
            for choice in chunk.data.get("choices") or ():
                self._add_choice(choice)

    def _note_head(self, chunk: Mapping[str, Any]) -> None:
        """The first chunks of some upstreams have empty names."""
        for name, value in chunk.items():
            if name == "object":
                self._head[name] = WHOLE.get(value, value)
            elif name not in OF_CHUNKS and self._head.get(name) in (None, ""):
                self._head[name] = value

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        known = self._choices.setdefault(choice.get("index", 0), {})
        for name, value in choice.items():
            if name == "delta":
                self._merge(known.setdefault("message", {}), value or {})
            elif name in ("text", "logprobs"):
                self._merge(known, {name: value})
            elif name != "index" and value is not None:
                known[name] = value

    def _merge(self, known: dict[str, Any], news: Mapping[str, Any]) -> None:
        for name, value in news.items():
            if name in NEVER:
                self._give_up()
            elif isinstance(value, str) and name not in ONCE:
                self._size += len(value)
                _of(known, name, _Text).append(value)
            elif isinstance(value, dict):
                self._merge(_of(known, name, dict), value)
            elif isinstance(value, list):
                self._merge_list(known, name, value)
            elif known.get(name) is None:
                known[name] = value

    def _merge_list(self, known: dict[str, Any], name: str, items: list[Any]) -> None:
        if name not in INDEXED:
            self._size += len(items)
            _of(known, name, list).extend(items)
            return
        held = _of(known, name, _Items)
        for item in items:
            self._merge(held.setdefault(item["index"], {}), {key: part for key, part in item.items() if key != "index"})

    def _give_up(self) -> None:
        self.has_given_up = True
        self._choices.clear()


def _of(known: dict[str, Any], name: str, kind: type[Any]) -> Any:
    """Return what is known under ``name``, which is of that kind from now on."""
    if not isinstance(known.get(name), kind):
        known[name] = kind()
    return known[name]


def _whole_choice(index: int, choice: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {"index": index, **_whole(choice)}
    if "message" in whole:
        message = whole["message"]
        whole["message"] = {"role": "assistant", "content": None, "refusal": None, **message}
        for call in message.get("tool_calls") or ():
            _complete(call)
    return {"logprobs": None, "finish_reason": None, **whole}


def _complete(call: dict[str, Any]) -> None:
    """Say what some streams leave out."""
    if "function" in call:
        call.setdefault("type", "function")
        call["function"].setdefault("arguments", "")


def _whole(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, _Items):
        return [_whole(value[index]) for index in sorted(value)]
    if isinstance(value, dict):
        return {name: _whole(part) for name, part in value.items()}
    return value
