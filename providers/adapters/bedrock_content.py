"""A conversation in Converse's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from providers import claude, toolids
from providers.conversation import IMAGE_TYPES, Conversation, Media, Part, Text, ToolCall, ToolResult, Turn
from providers.errors import RequestRejected

TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
TOOL_ID_LENGTH = 24
# The first word has to be the user's, and a document may not come without any.
SILENCE = "."
DOCUMENT_TYPES: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9()\[\]\s-]+")
MAX_NAME = 190
TTLS = ("5m", "1h")


class Writer:
    """Writes one conversation for one model: no two documents of it may have the same name."""

    def __init__(self, model: str) -> None:
        self._is_claude = claude.is_claude(model)
        self._names: set[str] = set()

    def conversation(self, given: Conversation, instructions: Iterable[Text] = ()) -> dict[str, Any]:
        """Return ``system`` and ``messages``: sides take turns, the user begins. Raises ``RequestRejected``.

        Where there is nothing but what the system says, it is the user's.
        """
        system = given.system
        said = [(turn.role, content) for turn in given.turns if (content := self._content(turn))]
        if not said:
            said, system = [("user", texts(system))], ()
        if not said[0][1]:
            raise RequestRejected("There is nothing in the messages that this model could answer.", param="messages")
        if said[0][0] != "user":
            said.insert(0, ("user", [{"text": SILENCE}]))
        messages = [
            {"role": role, "content": [block for _, content in group for block in content]}
            for role, group in groupby(said, key=lambda message: message[0])
        ]
        return {"system": texts((*system, *instructions)), "messages": self._begun(messages)}

    def _begun(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Trim an answer that the caller began: Claude takes none that ends with white space."""
        last = messages[-1]["content"][-1]
        if self._is_claude and messages[-1]["role"] == "assistant" and "text" in last:
            last["text"] = last["text"].rstrip()
        return messages

    def _content(self, turn: Turn) -> list[dict[str, Any]]:
        blocks = [
            *(_thoughts(turn.thinking) if self._is_claude else ()),
            *(block for result in turn.results for block in self._result(result)),
            *(block for part in turn.parts for block in self._part(part)),
            *(_call(call) for call in turn.calls),
        ]
        is_mute = any("document" in block for block in blocks) and not any("text" in block for block in blocks)
        return [*blocks, {"text": SILENCE}] if is_mute else blocks

    def _result(self, result: ToolResult) -> Iterator[dict[str, Any]]:
        content = [block for part in result.parts for block in self._part(part) if "cachePoint" not in block]
        failed = {"status": "error"} if result.is_error and self._is_claude else {}
        yield {"toolResult": {"toolUseId": _id(result.call_id), "content": content or [{"json": {}}], **failed}}
        marked = [part for part in result.parts if isinstance(part, Text) and part.is_breakpoint]
        if marked:
            yield cache_point(marked[-1].ttl)

    def _part(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, Text):
            return texts((part,))
        if part.kind == "audio":
            raise RequestRejected("The model that answers here does not listen to sound.", param="messages")
        if part.url:
            raise RequestRejected("A file must be sent with its data to this model.", param="messages")
        source = {"bytes": part.data}
        if part.kind == "image" or part.media_type in IMAGE_TYPES:
            return [{"image": {"format": part.media_type.removeprefix("image/"), "source": source}}]
        return [{"document": {"format": _format(part), "name": self._name(part.name), "source": source}}]

    def _name(self, given: str) -> str:
        """Return a document's name, of the few characters that it may have, and its number where it is taken."""
        stem = given.rpartition(".")[0] or given
        name = " ".join(NOT_IN_A_NAME.sub(" ", stem).split())[:MAX_NAME].strip() or "document"
        numbered = (f"{name} {number}" for number in range(2, len(self._names) + 3))
        free = name if name not in self._names else next(each for each in numbered if each not in self._names)
        self._names.add(free)
        return free


def texts(given: Iterable[Text]) -> list[dict[str, Any]]:
    """Return the texts, each with a cache point behind it that wants one. Those of white space alone are refused."""
    return [
        block
        for text in given
        if text.text.strip()
        for block in ({"text": text.text}, *((cache_point(text.ttl),) if text.is_breakpoint else ()))
    ]


def cache_point(ttl: Any = "") -> dict[str, Any]:
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl in TTLS else {})}}


def _thoughts(blocks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what the model thought; without their proof thoughts are not taken back."""
    for block in claude.thoughts(blocks):
        if block["type"] == "redacted_thinking":
            yield {"reasoningContent": {"redactedContent": block["data"]}}
        else:
            told = {"text": block.get("thinking") or "", "signature": block["signature"]}
            yield {"reasoningContent": {"reasoningText": told}}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": _id(call.id), "name": call.name, "input": call.arguments}}


def _id(id: str) -> str:
    return toolids.fitting(id, TOOL_ID, TOOL_ID_LENGTH)


def _format(file: Media) -> str:
    known = DOCUMENT_TYPES.get(file.media_type.lower())
    ending = file.name.rpartition(".")[2].lower()
    if ending in DOCUMENT_TYPES.values():
        return ending
    if known is None:
        raise RequestRejected(f"A file must be one of {', '.join(DOCUMENT_TYPES.values())}.", param="messages")
    return known
