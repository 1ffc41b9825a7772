"""The output of a Response, made of a chat answer or of its chunks: one item after the other. Pure.

Items follow each other in the order in which they began. An item that others wait for is ended as soon as it is whole;
what belongs to one that waits is told when its turn comes. So clients see each item from its beginning to its end,
however an upstream mixes the pieces of its tool calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.responses import heard
from gateway.responses.calling import Call, CustomCall
from gateway.responses.making import Event, Item
from gateway.responses.saying import Message
from gateway.responses.thinking import Reasoning

PREFIXES = {Reasoning: "rs", Message: "msg", Call: "fc", CustomCall: "ctc"}


class Output:
    """``told`` is what the chunks say beside their choice: model, usage, service_tier, moderation."""

    def __init__(self, response_id: str, *, shows_summary: bool = False, carries_thoughts: bool = False) -> None:
        self.told: dict[str, Any] = {}
        self.finish_reason: str | None = None
        self._seed = response_id.removeprefix("resp_")
        self._shows_summary, self._carries_thoughts = shows_summary, carries_thoughts
        self._items: list[Item] = []
        self._open = 0
        self._calls: dict[int, Call] = {}
        self._nameless: dict[int, dict[str, Any]] = {}

    @property
    def incomplete_reason(self) -> str | None:
        """Why the output ends before it is complete."""
        return INCOMPLETE.get(self.finish_reason or "")

    def items(self) -> list[dict[str, Any]]:
        """Return the items as they stand, without those that have not been told of."""
        return [item.shown() for item in self._items if not item.waits]

    def answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        """Take a whole chat answer."""
        choices = [
            {**choice, "delta": heard.as_delta(choice.get("message"))}
            for choice in heard.objects(answer.get("choices"))
        ]
        yield from self.feed({**answer, "choices": choices})

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """Take a chunk of a chat answer; only its first choice counts."""
        for name, kind in TOLD.items():
            if chunk.get(name) and isinstance(chunk[name], kind):
                self.told[name] = chunk[name]
        for choice in heard.objects(chunk.get("choices")):
            if choice.get("index", 0) == 0:
                self._take(heard.mapping(choice.get("delta")), choice.get("logprobs"))
                self.finish_reason = heard.text(choice.get("finish_reason")) or self.finish_reason
        yield from self._tell()

    def end(self) -> Iterator[Event]:
        """End what is open, all of it told to the end."""
        self._take_nameless()
        if not self._items and self.incomplete_reason is None:
            self._message().say_nothing()
        for item in self._items[self._open :]:
            if item.waits:
                yield from item.begin()
            is_cut = self.incomplete_reason is not None and item is self._items[-1]
            yield from item.end("incomplete" if is_cut else "completed")
        self._open = len(self._items)

    def _tell(self) -> Iterator[Event]:
        """Tell what is new of the item whose turn it is, and of those after it as far as their turn has come."""
        while self._open < len(self._items):
            item = self._items[self._open]
            yield from item.begin() if item.waits else item.said()
            if self._open == len(self._items) - 1 or not item.is_whole:
                return
            yield from item.end()
            self._open += 1

    def _take(self, delta: Mapping[str, Any], logprobs: Any) -> None:
        if text := heard.text(delta.get("reasoning_content") or delta.get("reasoning")):
            self._reasoning().add(text)
        if blocks := heard.objects(delta.get("thinking_blocks")):
            self._thinking().add_blocks(blocks)
        if text := heard.text(delta.get("content")):
            self._message().add(text, heard.logprobs(logprobs))
        for annotation in heard.objects(delta.get("annotations")):
            if cited := heard.citation(annotation):
                self._message().annotate(cited)
        if text := heard.text(delta.get("refusal")):
            self._message().refuse(text)
        for position, call in enumerate(heard.objects(delta.get("tool_calls"))):
            index = call.get("index")
            self._call(call, index if type(index) is int else position)

    def _reasoning(self) -> Reasoning:
        last = self._items[-1] if self._items else None
        return last if isinstance(last, Reasoning) else self._thinker()

    def _thinking(self) -> Reasoning:
        """Return the item that blocks of thought belong to; some upstreams send theirs after the answer."""
        return next((item for item in reversed(self._items) if isinstance(item, Reasoning)), None) or self._thinker()

    def _thinker(self) -> Reasoning:
        at = len(self._items)
        item = Reasoning(self._id(Reasoning, at), at, is_summary=self._shows_summary, is_carried=self._carries_thoughts)
        self._items.append(item)
        return item

    def _message(self) -> Message:
        last = self._items[-1] if self._items else None
        if isinstance(last, Message):
            return last
        message = Message(self._id(Message, len(self._items)), len(self._items))
        self._items.append(message)
        return message

    def _call(self, delta: Mapping[str, Any], index: int) -> None:
        """Take a piece of a tool call; what comes before its name waits for that."""
        said = heard.mapping(delta.get("custom") or delta.get("function"))
        text = heard.text(said.get("input")) + heard.text(said.get("arguments"))
        if index in self._calls:
            self._calls[index].add(text)
            return
        told = self._nameless.setdefault(index, {"text": "", "kind": Call})
        told |= {name: delta[name] for name in ("id", "extra_content") if delta.get(name)}
        told["text"] += text
        if delta.get("custom") is not None:
            told["kind"] = CustomCall
        if name := heard.text(said.get("name")):
            self._begin_call(index, name)

    def _begin_call(self, index: int, name: str) -> None:
        told = self._nameless.pop(index)
        at = len(self._items)
        call_id = heard.text(told.get("id")) or f"call_{self._seed}{at:02x}"
        call = told["kind"](self._id(told["kind"], at), at, call_id, name, told.get("extra_content"))
        call.add(told["text"])
        self._calls[index] = call
        self._items.append(call)

    def _take_nameless(self) -> None:
        for index in list(self._nameless):
            self._begin_call(index, "")

    def _id(self, kind: type[Item], at: int) -> str:
        return f"{PREFIXES[kind]}_{self._seed}{at:02x}"


INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
TOLD: Mapping[str, type] = {"model": str, "usage": dict, "service_tier": str, "moderation": dict}
