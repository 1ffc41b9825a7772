"""Chunks that every client can read. Pure.

Clients concatenate what they get: a second ``role`` becomes "assistantassistant", a second tool id "call_1call_1", and
a tool delta without an index, or a choice without role or finish_reason, is an exception in one SDK or the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from providers.errors import ServerError, UpstreamBusy, UpstreamError

FINISH_REASONS: Mapping[str, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "function_call",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
}
# What no answer ends with: the upstream gave up, and says so where a reason to stop stands.
FAILURES: Mapping[str, type[UpstreamError]] = {
    "error": ServerError,
    "insufficient_system_resource": UpstreamBusy,
}


class Verdict(Enum):
    """What became of a chunk: its bytes still hold, it was changed in place, or no client should see it."""

    SAME = 0
    CHANGED = 1
    DROPPED = 2


class _Choice:
    __slots__ = ("finished", "has_role", "tools")

    def __init__(self) -> None:
        self.has_role = False
        self.finished = False
        self.tools: dict[int, _Tool] = {}


class _Tool:
    __slots__ = ("id", "seen")

    def __init__(self, id: str | None) -> None:
        self.id = id
        self.seen: set[str] = set()


class Normaliser:
    """Follows one stream. Works in place on the parsed chunks; an ordinary chunk costs a few look-ups."""

    __slots__ = ("_began", "_choices", "_is_chat")

    def __init__(self, is_chat: bool = True) -> None:
        self._is_chat = is_chat
        self._choices: dict[int, _Choice] = {}
        self._began = False

    def feed(self, chunk: dict[str, Any]) -> Verdict:
        """Make ``chunk`` safe in place and say whether that changed it."""
        choices = chunk.get("choices")
        if not choices:
            return Verdict.SAME if self._began or chunk.get("usage") else Verdict.DROPPED
        self._began = True
        if len(choices) == 1 and self._is_ordinary(choices[0]):
            return Verdict.SAME
        changed = False
        for position, choice in enumerate(choices):
            changed |= self._choice(position, choice)
        return Verdict.CHANGED if changed else Verdict.SAME

    def _is_ordinary(self, choice: dict[str, Any]) -> bool:
        """Whether this is the usual delta: of a choice that has begun, with content and nothing else."""
        state = self._choices.get(choice.get("index", -1))
        if state is None or choice.get("finish_reason", "") is not None:
            return False
        delta = choice.get("delta")
        return state.has_role and type(delta) is dict and len(delta) == 1 and "content" in delta

    @property
    def finished(self) -> bool:
        """Whether every choice that began has its finish_reason."""
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def missing_ends(self) -> list[dict[str, Any]]:
        """Return the closing choices that a finished upstream forgot."""
        return [
            {"index": index, "delta": {}, "logprobs": None, "finish_reason": "tool_calls" if state.tools else "stop"}
            if self._is_chat
            else {"index": index, "text": "", "logprobs": None, "finish_reason": "stop"}
            for index, state in self._choices.items()
            if not state.finished
        ]

    def _choice(self, position: int, choice: dict[str, Any]) -> bool:
        index = choice.get("index")
        changed = False
        if type(index) is not int:
            index = choice["index"] = position
            changed = True
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _Choice()
        if self._is_chat:
            delta = choice.get("delta")
            if not isinstance(delta, dict):
                delta = choice["delta"] = {}
                changed = True
            if "role" in delta or not state.has_role:
                changed |= _one_role(state, delta)
            if "tool_calls" in delta:
                changed |= _whole_tools(state, delta)
        if choice.get("finish_reason") is not None or "finish_reason" not in choice:
            changed |= _one_finish(state, choice)
        return changed


def finish_reason(reason: Any) -> str | None:
    """Return OpenAI's word for how an answer ended; a word nobody knows counts as ``stop``.

    Raises ``UpstreamError`` where the word says that it failed.
    """
    if not reason:
        return None
    word = str(reason).lower()
    if word in FAILURES:
        raise FAILURES[word]()
    return FINISH_REASONS.get(word, "stop")


def plain(answer: dict[str, Any]) -> bool:
    """Make a whole answer safe in place; return whether that changed it."""
    changed = False
    for position, choice in enumerate(answer["choices"]):
        if type(choice.get("index")) is not int:
            choice["index"] = position
            changed = True
        reason = finish_reason(choice.get("finish_reason")) or "stop"
        if reason != choice.get("finish_reason"):
            choice["finish_reason"] = reason
            changed = True
        message = choice.get("message")
        if isinstance(message, dict) and not message.get("role"):
            message["role"] = "assistant"
            changed = True
    return changed


def _one_role(state: _Choice, delta: dict[str, Any]) -> bool:
    if state.has_role:
        del delta["role"]
        return True
    state.has_role = True
    if delta.get("role"):
        return False
    delta["role"] = "assistant"
    return True


def _one_finish(state: _Choice, choice: dict[str, Any]) -> bool:
    if "finish_reason" not in choice:
        choice["finish_reason"] = None
        return True
    given = choice["finish_reason"]
    reason = None if state.finished else finish_reason(given)
    state.finished = state.finished or reason is not None
    choice["finish_reason"] = reason
    return bool(reason != given)


def _whole_tools(state: _Choice, delta: dict[str, Any]) -> bool:
    calls = delta["tool_calls"]
    if not calls:
        del delta["tool_calls"]
        return True
    changed = False
    for call in calls:
        changed |= _one_tool(state, call)
    return changed


def _one_tool(state: _Choice, call: dict[str, Any]) -> bool:
    index, changed = _tool_index(state, call), False
    if call.get("index") != index or type(call.get("index")) is not int:
        call["index"] = index
        changed = True
    tool = state.tools.get(index)
    if tool is None:
        tool = state.tools[index] = _Tool(call.get("id"))
    for holder, name in ((call, "id"), (call, "type"), (call.get("function"), "name"), (call.get("custom"), "name")):
        if isinstance(holder, dict) and name in holder:
            if name in tool.seen or not holder[name]:
                del holder[name]
                changed = True
            else:
                tool.seen.add(name)
    return changed


def _tool_index(state: _Choice, call: dict[str, Any]) -> int:
    """Return the call's index; without one, a new id begins the next call and anything else goes on with the last."""
    index = call.get("index")
    if type(index) is int:
        return index
    id = call.get("id")
    for known, tool in state.tools.items():
        if id and tool.id == id:
            return known
    last = max(state.tools, default=-1)
    return last + 1 if id or last < 0 else last
