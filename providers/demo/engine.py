"""What the demo model says: the same words for the same question, and always that it is no real model. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from providers import tokens
from providers.demo.schema import example

INTRODUCTION = "This is Tollgate's demo model, not a real language model: it gives the same answer every time."
QUOTED = 200
PER_MESSAGE, PER_REPLY = 3, 3
COMPLETION_TOKENS = 16
MAX_CHOICES = 128


class Said(NamedTuple):
    """One choice: text or a call, as the tokens it is made of."""

    pieces: tuple[str, ...]
    finish_reason: str
    call: dict[str, Any] | None = None
    is_function: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def chat(body: Mapping[str, Any], options: Mapping[str, Any]) -> list[Said]:
    """Return the choices that answer a chat."""
    count = min(_whole(body.get("n"), 1), MAX_CHOICES)
    called = _call(body)
    if called is not None:
        call, is_function = called
        words = call.get("function") or call.get("custom") or {}
        pieces = tuple(tokens.pieces(words.get("arguments") or words.get("input") or ""))
        reason = "function_call" if is_function else "tool_calls"
        return [Said(pieces, reason, _numbered(call, body, index), is_function) for index in range(count)]
    most = _whole(body.get("max_completion_tokens"), 0) or _whole(body.get("max_tokens"), 0) or None
    text = _formatted(body) or _answer(body)
    return [_limited(_nth(text, index, body), body.get("stop"), most, options) for index in range(count)]


def completion(body: Mapping[str, Any], options: Mapping[str, Any]) -> list[Said]:
    """Return the choices of a completion: n for each prompt, in the prompts' order."""
    count = min(_whole(body.get("n"), 1), MAX_CHOICES)
    most = _whole(body.get("max_tokens"), COMPLETION_TOKENS)
    choices = []
    for prompt in prompts(body.get("prompt")):
        for index in range(count):
            text = f" {INTRODUCTION} It was asked to go on from “{prompt[-QUOTED:]}”."
            said = _limited(_nth(text, index, {}), body.get("stop"), most, options)
            if body.get("echo"):
                said = said._replace(pieces=(*tokens.pieces(prompt), *said.pieces))
            choices.append(said)
    return choices


def prompts(value: Any) -> list[str]:
    """Return the texts of a ``prompt`` or ``input``: a text, texts, tokens, or lists of tokens."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        return ["<|endoftext|>"]
    if all(isinstance(item, int) for item in value):
        return [tokens.decode(value)]
    return [item if isinstance(item, str) else tokens.decode(item) for item in value]


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return what a chat's messages and tools count for, as OpenAI counts its own."""
    total = PER_REPLY
    for message in body.get("messages") or ():
        total += PER_MESSAGE + tokens.count(str(message.get("role", ""))) + tokens.count(said_in(message))
    for name in ("tools", "functions"):
        if body.get(name):
            total += tokens.count(json.dumps(body[name], separators=(",", ":"), ensure_ascii=False))
    return total


def said_in(message: Mapping[str, Any]) -> str:
    """Return the text of a message, whatever its content is made of."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") or part.get("refusal") or "" if isinstance(part, dict) else part for part in parts]
    for call in message.get("tool_calls") or ():
        words = call.get("function") or call.get("custom") or {}
        texts += [words.get("name"), words.get("arguments") or words.get("input")]
    return " ".join(text for text in texts if isinstance(text, str))


def fingerprint(body: Mapping[str, Any], length: int = 24) -> str:
    """Return letters and digits that are the same for the same request, streamed or not."""
    asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:length]


def _answer(body: Mapping[str, Any]) -> str:
    messages = [message for message in body.get("messages") or () if isinstance(message, dict)]
    if messages and messages[-1].get("role") in ("tool", "function"):
        return f"{INTRODUCTION} The tool said: “{said_in(messages[-1])[:QUOTED]}”."
    asked = next((said_in(message) for message in reversed(messages) if message.get("role") == "user"), "")
    return f"{INTRODUCTION} You said: “{asked[:QUOTED]}”." if asked else INTRODUCTION


def _nth(text: str, index: int, body: Mapping[str, Any]) -> str:
    return text if not index or _formatted(body) else f"{text} (Choice {index + 1}.)"


def _formatted(body: Mapping[str, Any]) -> str:
    wanted = body.get("response_format")
    if not isinstance(wanted, dict):
        return ""
    kind = wanted.get("type")
    if kind == "json_object":
        return json.dumps({"model": "demo", "message": _answer(body)}, ensure_ascii=False)
    if kind == "json_schema":
        return json.dumps(example((wanted.get("json_schema") or {}).get("schema") or {"type": "object"}))
    return ""


def _limited(text: str, stop: Any, most: int | None, options: Mapping[str, Any]) -> Said:
    for end in [stop] if isinstance(stop, str) else stop or ():
        if isinstance(end, str) and end and end in text:
            text = text[: text.index(end)]
    pieces = tokens.pieces(text)
    if options.get("tokens"):
        pieces = list(_repeated(pieces or [" demo"], int(options["tokens"])))
    if most is not None and len(pieces) > most:
        return Said(tuple(pieces[:most]), "length")
    return Said(tuple(pieces), "stop")


def _repeated(pieces: list[str], wanted: int) -> Iterator[str]:
    for index in range(wanted):
        yield pieces[index % len(pieces)]


def _call(body: Mapping[str, Any]) -> tuple[dict[str, Any], bool] | None:
    """Return the call to make, and whether it is a legacy function call; none where there is nothing to call."""
    if _has_result(body):
        return None
    if body.get("functions"):
        function = _chosen(body["functions"], body.get("function_call"), lambda each: each.get("name"))
        return None if function is None else (_function_call(function), True)
    tool = _chosen(_tools(body), body.get("tool_choice"), _tool_name)
    if tool is None:
        return None
    if tool.get("type") == "custom":
        name = (tool.get("custom") or {}).get("name", "")
        return {"type": "custom", "custom": {"name": name, "input": "demo"}}, False
    return _function_call(tool.get("function") or {}), False


def _function_call(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = example(function.get("parameters") or {"type": "object"})
    return {"type": "function", "function": {"name": function.get("name", ""), "arguments": json.dumps(arguments)}}


def _tools(body: Mapping[str, Any]) -> list[Any]:
    choice = body.get("tool_choice")
    tools = body.get("tools") or []
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = {_tool_name(tool) for tool in (choice.get("allowed_tools") or {}).get("tools") or ()}
        return [tool for tool in tools if _tool_name(tool) in allowed]
    return tools


def _chosen(offered: list[Any], choice: Any, name_of: Any) -> Any:
    if choice == "none" or not offered:
        return None
    wanted = None
    if isinstance(choice, dict) and choice.get("type") != "allowed_tools":
        wanted = choice.get("name") or _tool_name(choice)
    return next((each for each in offered if name_of(each) == wanted), offered[0])


def _tool_name(tool: Mapping[str, Any]) -> str | None:
    return (tool.get("function") or tool.get("custom") or {}).get("name")


def _has_result(body: Mapping[str, Any]) -> bool:
    """Whether a tool has answered since the user last spoke."""
    for message in reversed(body.get("messages") or ()):
        if message.get("role") in ("tool", "function"):
            return True
        if message.get("role") == "user":
            return False
    return False


def _numbered(call: dict[str, Any], body: Mapping[str, Any], index: int) -> dict[str, Any]:
    return {"id": f"call_{fingerprint({**body, 'choice': index})}", **call}


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
