"""What a request body weighs and whom it names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
TEXT_KEYS = ("prompt", "input", "instructions", "query", "documents")


def prompt_estimate(body: dict[str, Any]) -> int:
    """Return roughly how many tokens ``body`` asks a model to read: cheap, for requests whose usage never comes."""
    given = body.get("messages")
    messages = _objects(given)
    texts = [body[key] for key in TEXT_KEYS if key in body]
    weight = sum(_weight(message.get("content")) + _weight(message.get("tool_calls")) for message in messages)
    weight += sum(_weight(value) for value in texts) + _weight(body.get("tools")) + _weight(body.get("functions"))
    return -(-weight // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * len(messages)


def _weight(value: Any) -> int:
    """Return the UTF-8 bytes of all texts in ``value``; a token id weighs as a token, an image or sound as nothing."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bool) or value is None:
        return 0
    if isinstance(value, int):
        return BYTES_PER_TOKEN
    if isinstance(value, list):
        return sum(map(_weight, value))
    if isinstance(value, dict):
        return sum(_weight(item) for key, item in value.items() if key not in MEDIA)
    return 0


MEDIA = frozenset({"image_url", "input_audio", "file", "file_data"})


def prompt_text(body: dict[str, Any]) -> str:
    """Return all text that a model reads in ``body``, for counting."""
    return "\n".join(_texts([body.get("messages"), *(body.get(key) for key in TEXT_KEYS)]))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in {"content", "text", "arguments", "refusal"}:
                yield from _texts(item)


def answer_text(answer: dict[str, Any]) -> str:
    """Return all text of a whole answer, tool arguments included, for counting; what is misshapen counts as nothing."""
    said = [piece for choice in _objects(answer.get("choices")) for piece in _said(choice)]
    return "".join([*said, *_texts(answer.get("output"))])


def _said(choice: dict[str, Any]) -> Iterable[str]:
    yield from _texts(choice.get("text"))
    message = choice.get("message")
    if isinstance(message, dict):
        yield from _texts(message)
        for call in _objects(message.get("tool_calls")):
            function = call.get("function")
            if isinstance(function, dict):
                yield from _texts([function.get("name"), function.get("arguments")])


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def end_user(body: dict[str, Any]) -> str:
    """Return whom the caller says it asks for: ``safety_identifier``, else the older ``user``."""
    given = body.get("safety_identifier") or body.get("user") or ""
    return given.replace("\0", "")[:256] if isinstance(given, str) else ""


def metadata_tags(body: dict[str, Any]) -> list[str]:
    """Return the tags of ``metadata: {"tags": "a,b"}``, as an array or comma-separated."""
    metadata = body.get("metadata")
    given = metadata.get("tags") if isinstance(metadata, dict) else None
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    cleaned = [name.replace("\0", "").strip() for name in names if isinstance(name, str)]
    return [name for name in cleaned if name]
