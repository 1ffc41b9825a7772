"""A chat request in Mistral's words: OpenAI's format, of which much that OpenAI ignores is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers import conversation, toolchoice, toolids
from providers.answers import written
from providers.conversation import Media, Part, Text, ToolCall, ToolResult, Turn
from providers.parameters import Rule, carried, sent, translated, unsupported

PARAMETERS: Mapping[str, Rule] = sent(
    "temperature", "top_p", "max_tokens", "stop", "n", "presence_penalty", "frequency_penalty", "response_format",
    "prediction", "parallel_tool_calls", "logprobs", "top_logprobs", "top_k", "repetition_penalty", "min_tokens",
    "metadata", "prompt_cache_key", "safe_prompt", "prompt_mode", max_completion_tokens="max_tokens",
    seed="random_seed", repeat_penalty="repetition_penalty",
) | translated("tools", "tool_choice", "reasoning_effort", "thinking")  # fmt: skip
TOOL_ID, TOOL_ID_LENGTH = re.compile(r"[A-Za-z0-9]{9}"), 9
CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any"}
EFFORTS: Mapping[str, str] = {
    **{effort: effort for effort in ("none", "minimal", "low", "medium", "high", "xhigh")}, "max": "xhigh"
}  # fmt: skip
THINKS: Mapping[str, str] = {"enabled": "high", "adaptive": "high", "disabled": "none"}
NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}
# What of a model's thought it takes back.
THOUGHT = ("type", "thinking", "signature", "closed")
# The model has to have the last word on a tool's result before the user may speak again.
HEARD: dict[str, Any] = {"role": "assistant", "content": "Done."}

# Of JSON Schema: what is refused, what has schemas by names of the caller's own, and what has values that are data.
REFUSED = frozenset({"$id", "$schema", "additionalProperties"})
BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
DATA = frozenset({"enum", "const", "default", "examples"})


def chat(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the body of a chat. Raises ``RequestRejected`` with the place of what cannot be said."""
    said = {
        "model": model,
        "messages": list(_messages(body["messages"])),
        "stream": bool(body.get("stream")),
        "reasoning_effort": _effort(body),
        **_tools(body),
        **carried(body, PARAMETERS),
    }
    return {name: value for name, value in said.items() if value is not None}


def bare(schema: Any) -> Any:
    """Return a JSON schema without the keywords that are refused."""
    if isinstance(schema, list):
        return [bare(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {name: _keyword(name, value) for name, value in schema.items() if name not in REFUSED}


def _keyword(name: str, value: Any) -> Any:
    if name in BY_NAME and isinstance(value, Mapping):
        return {each: bare(schema) for each, schema in value.items()}
    return value if name in DATA else bare(value)


def _effort(body: Mapping[str, Any]) -> str | None:
    thinking, effort = body.get("thinking"), body.get("reasoning_effort")
    if thinking is not None:
        kind = thinking.get("type") if isinstance(thinking, Mapping) else None
        if not isinstance(kind, str) or kind not in THINKS:
            raise unsupported("thinking", f"'thinking' is an object with one of the types {', '.join(THINKS)}.")
        return THINKS[kind]
    if effort is None:
        return None
    if not isinstance(effort, str) or effort not in EFFORTS:
        raise unsupported("reasoning_effort", f"'reasoning_effort' must be one of {', '.join(EFFORTS)}.")
    return EFFORTS[effort]


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    choice = toolchoice.read(body)
    if not choice.functions:
        return {}
    named = {"type": "function", "function": {"name": choice.name}}
    return {
        "tools": [_tool(function) for function in choice.functions],
        "tool_choice": named if choice.name else CHOICES.get(choice.mode),
    }


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: function[name] for name in ("name", "description", "strict") if function.get(name)}
    return {"type": "function", "function": {**said, "parameters": bare(function.get("parameters") or NOTHING)}}


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the messages. The model goes on with an answer that stands last."""
    said = conversation.read(messages)
    if said.system:
        yield {"role": "system", "content": said.system_text}
    for turn in said.turns:
        yield from map(_result, turn.results)
        if turn.role == "assistant":
            yield from _assistant(turn, is_last=turn is said.turns[-1])
        elif turn.parts or not turn.results:
            yield from [HEARD] * bool(turn.results)
            yield {"role": "user", "content": _content(turn.parts)}


def _assistant(turn: Turn, *, is_last: bool) -> Iterator[dict[str, Any]]:
    """Yield the model's message, unless it said nothing, which is refused."""
    thoughts = [_thought(block) for block in turn.thinking if isinstance(block.get("thinking"), list)]
    if not (thoughts or turn.parts or turn.calls):
        return
    content = [*thoughts, *map(_chunk, turn.parts)] if thoughts else _content(turn.parts)
    calls = {"tool_calls": [_call(call) for call in turn.calls]} if turn.calls else {}
    yield {"role": "assistant", "content": content, **calls, **({"prefix": True} if is_last and not calls else {})}


def _thought(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: block[name] for name in THOUGHT if name in block}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": written(call.arguments)}
    return {"id": tool_id(call.id), "type": "function", "function": function}


def _result(result: ToolResult) -> dict[str, Any]:
    named = {"name": result.name} if result.name else {}
    return {"role": "tool", "tool_call_id": tool_id(result.call_id), **named, "content": _content(result.parts)}


def tool_id(id: str) -> str:
    return toolids.fitting(id, TOOL_ID, TOOL_ID_LENGTH)


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    if not parts:
        return ""
    first = parts[0]
    return first.text if len(parts) == 1 and isinstance(first, Text) else [_chunk(part) for part in parts]


def _chunk(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if part.kind == "audio":
        return {"type": "input_audio", "input_audio": part.data}
    if part.kind == "image":
        return {
            "type": "image_url",
            "image_url": {"url": _url(part), **({"detail": part.detail} if part.detail else {})},
        }
    return {"type": "document_url", "document_url": _url(part), **({"document_name": part.name} if part.name else {})}


def _url(media: Media) -> str:
    return media.url or f"data:{media.media_type};base64,{media.data}"
