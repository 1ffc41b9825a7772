"""Items as the messages of a chat: what one answer consisted of is one message again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.fieldchecks import Invalid
from gateway.responses import carried
from gateway.responses.items import kind_of

Place = Callable[[int], str]


def messages_of(items: Sequence[Mapping[str, Any]], place: Place) -> list[dict[str, Any]]:
    """Return the messages; ``place`` names where an item stands. Raises ``Invalid`` for what chat has no words for."""
    writer = _Writer()
    for at, item in enumerate(items):
        kind = kind_of(item)
        if kind not in WRITE:
            param = f"{place(at)}.type"
            raise Invalid(f"Items of type '{kind}' are not supported with this model.", param, "unsupported_value")
        WRITE[kind](writer, item, place(at))
    return writer.messages


class _Writer:
    """Writes messages. Reasoning, texts and calls that follow each other go into one of the assistant."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._answer: dict[str, Any] | None = None

    def message(self, item: Mapping[str, Any], place: str) -> None:
        if item["role"] == "assistant":
            self._said(item, place)
            return
        self._add({"role": item["role"], "content": _content(item["content"], f"{place}.content")})

    def result(self, item: Mapping[str, Any], place: str) -> None:
        content = _content(item["output"], f"{place}.output")
        self._add({"role": "tool", "tool_call_id": item["call_id"], "content": content})

    def function_call(self, item: Mapping[str, Any], place: str) -> None:
        function = {"name": item["name"], "arguments": item["arguments"]}
        extra = {"extra_content": item["extra_content"]} if isinstance(item.get("extra_content"), dict) else {}
        self._call({"id": item["call_id"], "type": "function", "function": function, **extra})

    def custom_call(self, item: Mapping[str, Any], place: str) -> None:
        custom = {"name": item["name"], "input": item["input"]}
        self._call({"id": item["call_id"], "type": "custom", "custom": custom})

    def reasoning(self, item: Mapping[str, Any], place: str) -> None:
        """Add what was thought. What another service has sealed is for that service alone."""
        shown = "\n".join(part["text"] for part in (item.get("content") or item.get("summary") or ()))
        sealed = item.get("encrypted_content")
        blocks: Sequence[Mapping[str, Any]] = ()
        if carried.is_ours(sealed):
            text, blocks = carried.unpacked(str(sealed), f"{place}.encrypted_content")
            shown = shown or text
        if shown or blocks:
            answer = self._assistant()
            if shown:
                answer["reasoning_content"] = "\n".join(filter(None, (answer.get("reasoning_content"), shown)))
            if blocks:
                answer.setdefault("thinking_blocks", []).extend(blocks)

    def reference(self, item: Mapping[str, Any], place: str) -> None:
        raise Invalid(f"Item with id '{item['id']}' not found.", place, None)

    def _said(self, item: Mapping[str, Any], place: str) -> None:
        if self._answer is not None and self._answer["content"] is not None and "tool_calls" not in self._answer:
            self._answer = None
        answer = self._assistant()
        parts = (
            [{"type": "output_text", "text": item["content"]}] if isinstance(item["content"], str) else item["content"]
        )
        refusals = [part["refusal"] for part in parts if part["type"] == "refusal"]
        texts = [{**_marked(part), "type": "text", "text": part["text"]} for part in parts if part["type"] != "refusal"]
        if texts:
            before = answer["content"]
            before = [{"type": "text", "text": before}] if isinstance(before, str) else before or []
            answer["content"] = _simple([*before, *texts])
        if refusals:
            answer["refusal"] = (answer.get("refusal") or "") + "".join(refusals)

    def _call(self, call: dict[str, Any]) -> None:
        self._assistant().setdefault("tool_calls", []).append(call)

    def _assistant(self) -> dict[str, Any]:
        if self._answer is None:
            self._answer = {"role": "assistant", "content": None}
            self.messages.append(self._answer)
        return self._answer

    def _add(self, message: dict[str, Any]) -> None:
        self._answer = None
        self.messages.append(message)


def _content(content: Any, place: str) -> Any:
    if isinstance(content, str):
        return content
    return _simple([_part(part, f"{place}[{at}]") for at, part in enumerate(content)])


def _simple(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return one text as a string, which every upstream takes."""
    if not parts:
        return ""
    is_text = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return str(parts[0]["text"]) if is_text else parts


def _part(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    kind = part["type"]
    if kind not in PARTS:
        raise Invalid(f"A part of type '{kind}' cannot stand here.", f"{place}.type")
    return {**PARTS[kind](part, place), **_marked(part)}


def _marked(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mark up to which the caller wants the prompt to be cached."""
    mark = part.get("prompt_cache_breakpoint")
    return {"prompt_cache_breakpoint": mark} if mark is not None else {}


def _text(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {"type": "text", "text": part["text"]}


def _image(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    if part.get("image_url") is None:
        raise _unresolved(part, place)
    detail = {"detail": part["detail"]} if part.get("detail") not in (None, "auto") else {}
    return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}


def _file(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    data = part.get("file_data") or part.get("file_url")
    if data is None:
        raise _unresolved(part, place)
    name = {"filename": part["filename"]} if part.get("filename") else {}
    return {"type": "file", "file": {"file_data": data, **name}}


def _sound(part: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": part["input_audio"]}


def _unresolved(part: Mapping[str, Any], place: str) -> Invalid:
    return Invalid(f"No such file: '{part.get('file_id')}'.", f"{place}.file_id", None)


PARTS: Mapping[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "input_text": _text,
    "output_text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _sound,
}
WRITE: Mapping[str, Callable[[_Writer, Mapping[str, Any], str], None]] = {
    "message": _Writer.message,
    "function_call": _Writer.function_call,
    "custom_tool_call": _Writer.custom_call,
    "function_call_output": _Writer.result,
    "custom_tool_call_output": _Writer.result,
    "reasoning": _Writer.reasoning,
    "item_reference": _Writer.reference,
}
