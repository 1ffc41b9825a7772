"""A conversation in Anthropic's blocks. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any

from providers import claude, toolids
from providers.conversation import IMAGE_TYPES, Conversation, Media, Part, Text, ToolCall, ToolResult, Turn
from providers.errors import RequestRejected

TOOL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
TOOL_ID_LENGTH = 24
# the first word has to be the user's
SILENCE = "."
PDF = "application/pdf"


def system(conversation: Conversation, instructions: Sequence[Text]) -> Any:
    """Return what stands above the conversation: a text, or blocks where some of it is to be cached."""
    texts = [text for text in (*_above(conversation), *instructions) if text.text.strip()]
    if any(text.is_breakpoint for text in texts):
        return [_text(text) for text in texts]
    return "\n".join(text.text for text in texts)


def messages(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the messages. Raises ``RequestRejected`` where there is nothing to be answered."""
    said = [{"role": turn.role, "content": _content(turn)} for turn in conversation.turns]
    said = [message for message in said if message["content"]]
    if not said:
        said = [{"role": "user", "content": _parts(conversation.system)}]
    if not said[0]["content"]:
        raise RequestRejected("There is nothing in the messages that this model could answer.", param="messages")
    if said[0]["role"] != "user":
        said.insert(0, {"role": "user", "content": [{"type": "text", "text": SILENCE}]})
    return _begun(said)


def tool_id(id: str) -> str:
    return toolids.fitting(id, TOOL_ID, TOOL_ID_LENGTH)


def _above(conversation: Conversation) -> tuple[Text, ...]:
    """Return the system's texts, unless they are all that there is: then they are the user's."""
    return conversation.system if any(_content(turn) for turn in conversation.turns) else ()


def _begun(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trim an answer that the caller began: it may not end with white space."""
    last = said[-1]["content"][-1]
    if said[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()
    return said


def _content(turn: Turn) -> list[dict[str, Any]]:
    return [
        *claude.thoughts(turn.thinking),
        *(_result(result) for result in turn.results),
        *_parts(turn.parts),
        *(_call(call) for call in turn.calls),
    ]


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the blocks; there are none of white space alone."""
    return [_part(part) for part in parts if not isinstance(part, Text) or part.text.strip()]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return _text(part)
    if part.kind == "audio":
        raise RequestRejected("The model that answers here does not listen to sound.", param="messages")
    if part.kind == "image" or part.media_type in IMAGE_TYPES:
        return {"type": "image", "source": _source(part)}
    return {"type": "document", "source": _document(part), **({"title": part.name} if part.name else {})}


def _text(text: Text) -> dict[str, Any]:
    if not text.is_breakpoint:
        return {"type": "text", "text": text.text}
    lasting = {"ttl": text.ttl} if text.ttl else {}
    return {"type": "text", "text": text.text, "cache_control": {"type": "ephemeral", **lasting}}


def _document(media: Media) -> dict[str, Any]:
    if media.url or media.media_type == PDF:
        return _source(media)
    if not media.media_type.startswith("text/"):
        raise RequestRejected(
            f"The model that answers here reads no file of type '{media.media_type}'.", param="messages"
        )
    text = base64.b64decode(media.data).decode(errors="replace")
    return {"type": "text", "media_type": "text/plain", "data": text}


def _source(media: Media) -> dict[str, Any]:
    if media.url:
        return {"type": "url", "url": media.url}
    return {"type": "base64", "media_type": media.media_type, "data": media.data}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": tool_id(call.id), "name": call.name, "input": call.arguments}


def _result(result: ToolResult) -> dict[str, Any]:
    content = _parts(result.parts)
    failed = {"is_error": True} if result.is_error else {}
    said = {"type": "tool_result", "tool_use_id": tool_id(result.call_id), **failed}
    return {**said, "content": content} if content else said
