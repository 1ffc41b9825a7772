"""Anthropic's content blocks as the parts, thoughts and tool calls of chat messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.fieldchecks import Invalid, boolean, mapping, objects, one_of, string

Block = Mapping[str, Any]
Part = dict[str, Any]

PDF = "application/pdf"
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def messages(given: Sequence[Block]) -> Iterator[dict[str, Any]]:
    """Yield the chat messages that say what ``given`` does. Raises ``Invalid`` with the place of what cannot be."""
    for position, message in enumerate(given):
        place = f"messages[{position}]"
        role = _said(message, "role", place, string)
        if role not in ROLES:
            raise Invalid(f"Invalid value for '{place}.role': expected one of {', '.join(ROLES)}.", f"{place}.role")
        yield from ROLES[role](_said(message, "content", place, text_or_blocks), f"{place}.content")


def system(given: Any) -> Iterator[dict[str, Any]]:
    """Yield the system's message, where it says anything."""
    if given:
        text_or_blocks(given, "system")
        yield from _system(given, "system")


def text_or_blocks(value: Any, param: str) -> None:
    if not isinstance(value, str):
        if not isinstance(value, list):
            raise Invalid(
                f"Invalid type for '{param}': expected a string or an array of content blocks.", param, "invalid_type"
            )
        objects()(value, param)


def _system(content: Any, place: str) -> Iterator[dict[str, Any]]:
    if parts := _parts(content, place, TEXTS):
        yield {"role": "system", "content": parts}


def _user(content: Any, place: str) -> Iterator[dict[str, Any]]:
    """Yield the results of tools, each its own message, and what the user says with them."""
    blocks = content if isinstance(content, list) else []
    for at, block in enumerate(blocks):
        if block.get("type") == "tool_result":
            yield _result(block, f"{place}[{at}]")
    others = [block if block.get("type") != "tool_result" else None for block in blocks]
    if not isinstance(content, list) or any(others) or not others:
        parts = _parts(others if blocks else content, place, USERS)
        yield {"role": "user", "content": parts or ""}


def _result(block: Block, place: str) -> dict[str, Any]:
    call = _said(block, "tool_use_id", place, string)
    content = block.get("content")
    text_or_blocks(content or "", f"{place}.content")
    parts = _parts(content or "", f"{place}.content", USERS)
    said = {"role": "tool", "tool_call_id": call, "content": _marked(parts, block)}
    if block.get("is_error") is not None:
        boolean(block["is_error"], f"{place}.is_error")
        said["is_error"] = block["is_error"]
    return said


def _marked(parts: Any, block: Block) -> Any:
    """Put the mark of a whole result on its last text: there chat messages have it."""
    mark = block.get("cache_control")
    if not mark:
        return parts
    if isinstance(parts, str):
        parts = [{"type": "text", "text": parts}] if parts else []
    texts = [at for at, part in enumerate(parts) if part["type"] == "text"]
    if not texts:
        return parts
    return [{**part, "cache_control": mark} if at == texts[-1] else part for at, part in enumerate(parts)]


def _assistant(content: Any, place: str) -> Iterator[dict[str, Any]]:
    """Yield the model's message. Of thoughts without their proof only the text is told: no model takes them back."""
    blocks = content if isinstance(content, list) else []
    thoughts = [_thought(block, f"{place}[{at}]") for at, block in enumerate(blocks) if block.get("type") in THOUGHTS]
    calls = [_call(block, f"{place}[{at}]") for at, block in enumerate(blocks) if block.get("type") == "tool_use"]
    others = [None if block.get("type") in (*THOUGHTS, "tool_use") else block for block in blocks]
    parts = _joined(_parts(others if blocks else content, place, TEXTS))
    proven = [thought for thought in thoughts if is_proven(thought)]
    reasoning = "".join(thought["thinking"] for thought in thoughts if not is_proven(thought))
    said = {"thinking_blocks": proven, "reasoning_content": reasoning, "tool_calls": calls}
    said = {name: value for name, value in said.items() if value}
    if said or parts or not blocks:
        yield {"role": "assistant", "content": parts or (None if calls else ""), **said}


def _joined(parts: Any) -> Any:
    """Return what the model said as one text, unless some of it is marked."""
    is_text = not isinstance(parts, str) and all(part.keys() == {"type", "text"} for part in parts)
    return "".join(part["text"] for part in parts) if is_text else parts


def is_proven(thought: Block) -> bool:
    """Whether a thought has what the model that had it takes it back by."""
    return bool(thought.get("data") if thought["type"] == "redacted_thinking" else thought.get("signature"))


def _thought(block: Block, place: str) -> dict[str, Any]:
    for name in THOUGHTS[block["type"]]:
        _said(block, name, place, string)
    if block.get("signature") is not None:
        string(block["signature"], f"{place}.signature")
    return {name: block[name] for name in ("type", "thinking", "signature", "data") if block.get(name) is not None}


THOUGHTS: Mapping[str, tuple[str, ...]] = {"thinking": ("thinking",), "redacted_thinking": ("data",)}


def _call(block: Block, place: str) -> dict[str, Any]:
    name = _said(block, "name", place, string)
    arguments = msgspec.json.encode(_said(block, "input", place, mapping)).decode()
    extra = {"extra_content": block["extra_content"]} if isinstance(block.get("extra_content"), dict) else {}
    function = {"name": name, "arguments": arguments}
    return {"id": _said(block, "id", place, string), "type": "function", "function": function, **extra}


def _parts(content: Any, place: str, known: Mapping[str, Callable[[Block, str], list[Part]]]) -> Any:
    """Return the chat's content: one unmarked text as it is, else the parts. None among the blocks are passed over."""
    if isinstance(content, str):
        return content
    parts = [
        part
        for at, block in enumerate(content)
        if block is not None
        for part in _known(block, f"{place}[{at}]", known)(block, f"{place}[{at}]")
    ]
    return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts


def _known(
    block: Block, place: str, known: Mapping[str, Callable[[Block, str], list[Part]]]
) -> Callable[[Block, str], list[Part]]:
    kind = _said(block, "type", place, string)
    if kind not in known:
        raise Invalid(f"A block of type '{kind}' cannot be said here.", f"{place}.type")
    return known[kind]


def _text(block: Block, place: str) -> list[Part]:
    text = _said(block, "text", place, string)
    mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return [{"type": "text", "text": text, **mark}]


def _image(block: Block, place: str) -> list[Part]:
    url = _url(_said(block, "source", place, mapping), f"{place}.source", IMAGES)
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Block, place: str) -> list[Part]:
    """Return a document as a file, or its text where it is text."""
    source, place = _said(block, "source", place, mapping), f"{place}.source"
    title = block.get("title")
    about = [each for each in (title, block.get("context")) if isinstance(each, str) and each]
    if source.get("type") == "text":
        return _titled(about, [{"type": "text", "text": _said(source, "data", place, string)}])
    if source.get("type") == "content":
        parts = _parts(_said(source, "content", place, text_or_blocks), f"{place}.content", PAGES)
        return _titled(about, [{"type": "text", "text": parts}] if isinstance(parts, str) else parts)
    name = title if isinstance(title, str) and title else "document.pdf"
    file = {"type": "file", "file": {"filename": name, "file_data": _url(source, place, (PDF,))}}
    return _titled(about[1:] if about and about[0] == title else about, [file])


def _search_result(block: Block, place: str) -> list[Part]:
    about = [_said(block, name, place, string) for name in ("title", "source")]
    parts = _parts(_said(block, "content", place, text_or_blocks), f"{place}.content", TEXTS)
    return _titled(about, [{"type": "text", "text": parts}] if isinstance(parts, str) else parts)


def _titled(about: Sequence[str], parts: list[Part]) -> list[Part]:
    return [*({"type": "text", "text": each} for each in about), *parts]


def _url(source: Block, place: str, types: Sequence[str]) -> str:
    """Return where a picture or file is, or a data URL of it."""
    kind = _said(source, "type", place, string)
    if kind == "url":
        return str(_said(source, "url", place, string))
    if kind == "file":
        raise Invalid("Files by their id are not known here: send the data.", f"{place}.type", "unsupported_value")
    one_of("base64")(kind, f"{place}.type")
    one_of(*types)(_said(source, "media_type", place, string), f"{place}.media_type")
    return f"data:{source['media_type']};base64,{_said(source, 'data', place, string)}"


def _said(block: Block, name: str, place: str, check: Callable[[Any, str], None]) -> Any:
    """Return what ``block`` has as ``name``. Raises ``Invalid`` where it has nothing, or nothing that passes."""
    param = f"{place}.{name}"
    if block.get(name) is None:
        raise Invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    check(block[name], param)
    return block[name]


TEXTS: Mapping[str, Callable[[Block, str], list[Part]]] = {"text": _text}
PAGES: Mapping[str, Callable[[Block, str], list[Part]]] = {**TEXTS, "image": _image}
USERS: Mapping[str, Callable[[Block, str], list[Part]]] = {
    **PAGES, "document": _document, "search_result": _search_result,
}  # fmt: skip
ROLES: Mapping[str, Callable[[Any, str], Iterator[dict[str, Any]]]] = {
    "user": _user, "assistant": _assistant, "system": _system,
}  # fmt: skip
