"""LocalAI's edits, which OpenAI had once: an instruction and a text, said as a chat. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fieldchecks import Check, Invalid, checked, filled, string
from gateway.responses import heard
from gateway.validation import SAMPLING

REQUIRED = ("instruction",)


def text(value: Any, param: str) -> None:
    """A string, or an array of one."""
    if isinstance(value, list) and len(value) != 1:
        raise Invalid(f"Invalid length of '{param}': one text is edited at a time.", param)
    string(value[0] if isinstance(value, list) else value, param)


FIELDS: dict[str, Check] = {**SAMPLING, "instruction": filled, "input": text}


def to_chat(body: Any) -> dict[str, Any]:
    """Return the chat that asks for the edit; what else is said goes along. Raises ``Invalid``."""
    said = checked(body, REQUIRED, FIELDS)
    if said.get("stream") is True:
        message = "Edits are answered whole: there is no stream of them."
        raise Invalid(message, "stream", "unsupported_parameter")
    rest = {name: value for name, value in said.items() if name not in ("instruction", "input", "stream")}
    system = {"role": "system", "content": said["instruction"]}
    return {**rest, "messages": [system, {"role": "user", "content": _text(said.get("input"))}]}


def _text(given: Any) -> str:
    """Return what is to be edited: OpenAI took nothing for an empty text, LocalAI takes a list."""
    return "".join(given or "")


def of_chat(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the edit that a chat completion is."""
    choices = [
        {
            "text": heard.text(heard.mapping(choice.get("message")).get("content")),
            "index": choice["index"],
            "finish_reason": choice["finish_reason"],
        }
        for choice in answer["choices"]
    ]
    kept = {name: answer[name] for name in ("id", "created", "model", "usage") if name in answer}
    return {**kept, "object": "edit", "choices": choices}
