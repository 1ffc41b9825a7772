"""A caller's messages as adapters translate them: texts, pictures, tool calls and their results. Pure.

Every shape that OpenAI's format allows for the same thing comes out as one; what is misshapen is refused by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from providers.errors import RequestRejected

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class Text(NamedTuple):
    """``is_breakpoint``: the caller wants what comes up to here to be cached, for ``ttl`` ("1h") where it says so."""

    text: str
    is_breakpoint: bool = False
    ttl: str = ""


class Media(NamedTuple):
    """A picture, sound or file: ``data`` in base64 of ``media_type``, or where it is: ``url``.

    ``kind`` is "image", "audio" or "file"; ``name`` a file's.
    """

    kind: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    name: str = ""
    detail: str = ""


Part = Text | Media


class ToolCall(NamedTuple):
    """``arguments`` is the parsed object; ``extra`` is what else stood in the call, as ``extra_content``."""

    id: str
    name: str
    arguments: dict[str, Any]
    extra: Mapping[str, Any] = {}


class ToolResult(NamedTuple):
    """``name`` is the called tool's, "" where no call before it has this id. ``is_error``: the tool has failed."""

    call_id: str
    name: str
    parts: tuple[Part, ...]
    is_error: bool = False

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class Turn(NamedTuple):
    """What one side said before the other: ``role`` is "user" or "assistant".

    Messages of one side that follow each other are one turn. Results come before what the user says with them.
    ``thinking`` is what the model thought: its own blocks, as it wants them back, and ``reasoning`` their text.
    """

    role: str
    parts: tuple[Part, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    thinking: tuple[Mapping[str, Any], ...] = ()
    reasoning: str = ""


class Conversation(NamedTuple):
    """``system`` is all that system and developer messages say, wherever they stand."""

    system: tuple[Text, ...]
    turns: tuple[Turn, ...]

    @property
    def system_text(self) -> str:
        return "\n".join(text.text for text in self.system)


def read(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """Return the conversation. Raises ``RequestRejected`` with the place of what cannot be read."""
    system: list[Text] = []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for position, message in enumerate(messages):
        place = f"messages[{position}]"
        role = message.get("role")
        if role in ("system", "developer"):
            system += [part for part in _parts(message, place) if isinstance(part, Text)]
        elif role == "assistant":
            turn = _assistant(message, place)
            names |= {call.id: call.name for call in turn.calls}
            _add(turns, turn)
        elif role == "tool":
            call = str(message.get("tool_call_id") or "")
            name = names.get(call) or str(message.get("name") or "")
            failed = message.get("is_error") is True
            _add(turns, Turn("user", results=(ToolResult(call, name, _parts(message, place), failed),)))
        elif role == "user":
            _add(turns, Turn("user", _parts(message, place)))
        else:
            raise RequestRejected(f"'{role}' is no role that this model knows.", param=f"{place}.role")
    return Conversation(tuple(system), tuple(turns))


def data_of(url: str) -> tuple[str, str] | None:
    """Return (media type, base64) of a data URL, None of any other."""
    head, found, data = url.partition(",")
    if not found or not head.startswith("data:"):
        return None
    media_type, _, encoding = head[5:].partition(";")
    return (media_type or "text/plain", data) if encoding.endswith("base64") else None


def arguments_of(text: Any, place: str) -> dict[str, Any]:
    """Return the arguments of a call, which stand there as JSON text; none at all is an empty object."""
    if isinstance(text, Mapping):
        return dict(text)
    try:
        value = msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, TypeError, UnicodeEncodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RequestRejected("The arguments of a tool call must be a JSON object in a string.", param=place)
    return value


def _assistant(message: Mapping[str, Any], place: str) -> Turn:
    blocks = message.get("thinking_blocks")
    thinking = tuple(block for block in blocks if isinstance(block, dict)) if isinstance(blocks, list) else ()
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    calls = [_call(call, f"{place}.tool_calls[{at}]") for at, call in enumerate(message.get("tool_calls") or ())]
    parts = _parts(message, place)
    return Turn(
        "assistant", parts, tuple(calls), thinking=thinking, reasoning=reasoning if isinstance(reasoning, str) else ""
    )


def _call(call: Any, place: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RequestRejected("Only calls of functions can be sent to this model.", param=place)
    extra = call.get("extra_content")
    return ToolCall(
        str(call.get("id") or ""),
        function["name"],
        arguments_of(function.get("arguments"), f"{place}.function.arguments"),
        extra if isinstance(extra, dict) else {},
    )


def _parts(message: Mapping[str, Any], place: str) -> tuple[Part, ...]:
    content = message.get("content")
    if content is None:
        return ()
    if isinstance(content, str):
        return (_text(content, message),) if content else ()
    if not isinstance(content, list):
        raise RequestRejected("The content of a message is a string or an array of parts.", param=f"{place}.content")
    parts = (_part(part, f"{place}.content[{at}]") for at, part in enumerate(content))
    return tuple(part for part in parts if not isinstance(part, Text) or part.text)


def _part(part: Any, place: str) -> Part:
    if isinstance(part, str):
        return Text(part)
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal") and isinstance(part.get(kind), str):
        return _text(part[kind], part)
    if kind == "image_url":
        return _image(part.get("image_url"), place)
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        sound = part["input_audio"]
        return Media("audio", f"audio/{sound.get('format') or 'wav'}", str(sound.get("data") or ""))
    if kind == "file" and isinstance(part.get("file"), dict):
        return _file(part["file"], place)
    raise RequestRejected(f"A part of type '{kind}' cannot be sent to this model.", param=f"{place}.type")


def _text(text: str, holder: Mapping[str, Any]) -> Text:
    """Return a text, marked as its part is, or its message where it stands there without parts."""
    marked = holder.get("prompt_cache_breakpoint") or holder.get("cache_control")
    ttl = marked.get("ttl") if isinstance(marked, Mapping) else None
    return Text(text, bool(marked), ttl if isinstance(ttl, str) else "")


def _image(image: Any, place: str) -> Media:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str) or not url:
        raise RequestRejected("An image needs a URL.", param=f"{place}.image_url.url")
    detail = str(image.get("detail") or "") if isinstance(image, dict) else ""
    if not url.startswith("data:"):
        return Media("image", url=url, detail=detail)
    data = data_of(url)
    if data is None or data[0] not in IMAGE_TYPES:
        known = ", ".join(IMAGE_TYPES)
        raise RequestRejected(
            f"An image in a data URL must be base64 and one of {known}.", param=f"{place}.image_url.url"
        )
    return Media("image", data[0], data[1], detail=detail)


def _file(file: Mapping[str, Any], place: str) -> Media:
    name = str(file.get("filename") or "")
    given = file.get("file_data")
    if not isinstance(given, str) or not given:
        raise RequestRejected("A file must be sent with its data to this model.", param=f"{place}.file")
    if given.startswith(("http://", "https://")):
        return Media("file", url=given, name=name)
    data = data_of(given)
    return Media("file", *data, name=name) if data else Media("file", "application/pdf", given, name=name)


def _add(turns: list[Turn], turn: Turn) -> None:
    if turns and turns[-1].role == turn.role:
        last = turns[-1]
        turns[-1] = Turn(
            last.role,
            last.parts + turn.parts,
            last.calls + turn.calls,
            last.results + turn.results,
            last.thinking + turn.thinking,
            "\n".join(filter(None, (last.reasoning, turn.reasoning))),
        )
    else:
        turns.append(turn)
