"""Mistral's answers, whole and streamed, as OpenAI's: thoughts come in lists of their own within the content. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from providers import answers
from providers.adapters import mistral_errors, openai
from providers.answers import Chunk
from providers.errors import BadAnswer
from providers.sse import Event


class Content(NamedTuple):
    """``text`` is None where there is none; ``thoughts`` are the model's own blocks, as it takes them back."""

    text: str | None
    thoughts: Sequence[Mapping[str, Any]] = ()

    @property
    def reasoning(self) -> str:
        return "".join(_words(piece) for thought in self.thoughts for piece in thought["thinking"])


def completion(answer: dict[str, Any]) -> dict[str, Any]:
    """Put OpenAI's messages and usage into ``answer`` and return it. Parts of the wrong kind raise what they like."""
    for choice in answer["choices"]:
        message = choice["message"]
        content = parted(message.get("content"))
        choice["message"] = answers.message(
            content.text,
            reasoning=content.reasoning,
            calls=[called(call) for call in message.get("tool_calls") or ()],
            thinking_blocks=list(content.thoughts),
        )
        choice.setdefault("logprobs", None)
    if answer.get("usage"):
        answer["usage"] = usage(answer["usage"])
    return answer


def usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage with the details that OpenAI has; thoughts are counted with the answer, not by themselves."""
    return {
        **told,
        "prompt_tokens_details": told.get("prompt_tokens_details") or {"cached_tokens": 0},
        "completion_tokens_details": told.get("completion_tokens_details") or {"reasoning_tokens": 0},
    }


def parted(content: Any) -> Content:
    """Return what a content says, which is a text or a list of chunks. Raises ``BadAnswer``."""
    if content is None or isinstance(content, str):
        return Content(content)
    if not isinstance(content, list):
        raise BadAnswer()
    texts = [_words(chunk) for chunk in content if chunk.get("type", "text") == "text"]
    return Content("".join(texts) if texts else None, [chunk for chunk in content if chunk.get("type") == "thinking"])


def called(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call with an id of its own, and its arguments, which may be an object, as text."""
    function = call["function"]
    id, name = call.get("id"), function["name"]
    if not isinstance(name, str) or not isinstance(function.get("arguments"), str | dict | None):
        raise BadAnswer()
    return answers.call(str(id) if id not in (None, "null") else "", name, function.get("arguments") or "{}")


def _words(chunk: Mapping[str, Any]) -> str:
    """Return a chunk's text; a reference has none."""
    text = chunk.get("text", "")
    if not isinstance(text, str):
        raise BadAnswer()
    return text


class _Thoughts:
    """A choice's thoughts as they come in pieces: those that follow each other are one."""

    __slots__ = ("_is_open", "blocks")

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []
        self._is_open = False

    def add(self, content: Content) -> None:
        for piece in content.thoughts:
            if self._is_open:
                self.blocks[-1] = _joined(self.blocks[-1], piece)
            else:
                self.blocks.append(dict(piece))
            self._is_open = not piece.get("signature")
        self._is_open = self._is_open and not content.text


def _joined(block: dict[str, Any], piece: Mapping[str, Any]) -> dict[str, Any]:
    before, after = block["thinking"], piece["thinking"]
    if before and after and before[-1].keys() == after[0].keys() == {"type", "text"}:
        middle = {**before[-1], "text": _words(before[-1]) + _words(after[0])}
        return {**block, **piece, "thinking": [*before[:-1], middle, *after[1:]]}
    return {**block, **piece, "thinking": [*before, *after]}


class StreamDecoder(openai.StreamDecoder):
    """OpenAI's chunks, but for their content, and the usage, which comes with the last choice.

    The thoughts are told once more as blocks where their choice ends.
    """

    __slots__ = ("_thoughts",)

    def __init__(self) -> None:
        super().__init__()
        self._thoughts: dict[int, _Thoughts] = {}

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the event's chunks. Raises ``BadAnswer``, or the error that the event is."""
        chunks = super().feed(event)
        for chunk, _ in chunks:
            if chunk.get("object") == "error":
                raise mistral_errors.inside(chunk)
        return [told for chunk, raw in chunks for told in self._told_apart(chunk, raw)]

    def _told_apart(self, chunk: dict[str, Any], raw: bytes | None) -> Iterator[Chunk]:
        changed, used = self._changes(chunk), chunk.get("usage")
        if used:
            del chunk["usage"]
            if chunk.get("choices"):
                yield chunk, None
            yield {**chunk, "choices": [], "usage": usage(used)}, None
        else:
            yield chunk, None if changed else raw

    def _changes(self, chunk: dict[str, Any]) -> bool:
        """Make the chunk OpenAI's in place; return whether that changed it."""
        changed = False
        for choice in chunk.get("choices") or ():
            changed |= self._changes_choice(choice)
        return changed

    def _changes_choice(self, choice: dict[str, Any]) -> bool:
        delta = choice.get("delta")
        if not delta:
            return self._ended(choice)
        has_chunks, calls = isinstance(delta.get("content"), list), delta.get("tool_calls")
        if has_chunks:
            self._tell(choice, delta)
        elif delta.get("content") and choice["index"] in self._thoughts:
            self._thoughts[choice["index"]].add(Content(delta["content"]))
        if calls:
            delta["tool_calls"] = [_numbered(call) for call in calls]
        return self._ended(choice) or has_chunks or bool(calls)

    def _tell(self, choice: Mapping[str, Any], delta: dict[str, Any]) -> None:
        content = parted(delta.pop("content"))
        self._thoughts.setdefault(choice["index"], _Thoughts()).add(content)
        if content.reasoning:
            delta["reasoning_content"] = content.reasoning
        if content.text is not None:
            delta["content"] = content.text

    def _ended(self, choice: dict[str, Any]) -> bool:
        thoughts = self._thoughts.pop(choice.get("index", 0), None) if choice.get("finish_reason") else None
        if thoughts is None or not thoughts.blocks:
            return False
        blocks = [{"index": index, **block} for index, block in enumerate(thoughts.blocks)]
        choice["delta"] = {**(choice.get("delta") or {}), "thinking_blocks": blocks}
        return True


def _numbered(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call, which comes whole, under the number that it has, if any."""
    index = call.get("index")
    return called(call) | ({"index": index} if type(index) is int else {})
