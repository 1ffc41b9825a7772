"""A chat request in the words of Cohere's v2 API. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers import conversation, toolchoice
from providers.answers import written
from providers.conversation import Media, Part, Text, ToolResult, Turn
from providers.errors import RequestRejected
from providers.parameters import Rule, carried, sent, translated, unsupported

PARAMETERS: Mapping[str, Rule] = sent(
    "temperature", "seed", "max_tokens", "frequency_penalty", "presence_penalty", "logprobs", "strict_tools",
    "safety_mode", "citation_options", "priority", top_k="k", max_completion_tokens="max_tokens",
) | translated("top_p", "stop", "tools", "tool_choice", "response_format", "reasoning_effort", "thinking")  # fmt: skip
# OpenAI's 1, which leaves out nothing, is beyond what may be said here.
LEAST_P, MOST_P = 0.01, 0.99
MOST_STOPS = 5
NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}
CHOICES: Mapping[str, str | None] = {"": None, "auto": None, "none": "NONE", "required": "REQUIRED"}
# The models think as much as they like unless they are told how many tokens it may take.
BUDGETS: Mapping[str, int | None] = {
    "none": 0, "minimal": 512, "low": 1024, "medium": 4096, "high": None, "xhigh": None, "max": None,
}  # fmt: skip


def chat(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the body of a chat. Raises ``RequestRejected`` with the place of what cannot be said."""
    said = {
        "model": model,
        "messages": list(_messages(body["messages"])),
        "stream": bool(body.get("stream")),
        "documents": body.get("documents"),
        "p": _p(body.get("top_p")),
        "stop_sequences": _stops(body.get("stop")),
        "response_format": _format(body.get("response_format")),
        "thinking": _thinking(body),
        **_tools(body),
        **carried(body, PARAMETERS),
    }
    return {name: value for name, value in said.items() if value is not None}


def _p(top_p: Any) -> float | None:
    return None if top_p is None else max(LEAST_P, min(MOST_P, top_p))


def _stops(stop: Any) -> list[str] | None:
    given = [stop] if isinstance(stop, str) else list(stop or ())
    if len(given) > MOST_STOPS:
        raise unsupported("stop", f"The model that answers here knows at most {MOST_STOPS} stop sequences.")
    return given or None


def _format(asked: Any) -> dict[str, Any] | None:
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if asked is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind == "json_schema" and isinstance(asked.get(kind), Mapping):
        schema = asked[kind].get("schema")
        return {"type": "json_object", **({"json_schema": schema} if schema else {})}
    raise unsupported("response_format", f"The model that answers here knows no response_format '{kind}'.")


def _thinking(body: Mapping[str, Any]) -> dict[str, Any] | None:
    effort, asked = body.get("reasoning_effort"), body.get("thinking")
    if asked is None:
        return None if effort is None else _budgeted(_budget(effort))
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind not in ("enabled", "adaptive", "disabled"):
        raise unsupported("thinking", "'thinking' is an object with the type enabled, adaptive or disabled.")
    return _budgeted(0 if kind == "disabled" else asked.get("token_budget") or asked.get("budget_tokens"))


def _budget(effort: Any) -> int | None:
    if not isinstance(effort, str) or effort not in BUDGETS:
        raise unsupported("reasoning_effort", f"'reasoning_effort' must be one of {', '.join(BUDGETS)}.")
    return BUDGETS[effort]


def _budgeted(budget: int | None) -> dict[str, Any]:
    if budget == 0:
        return {"type": "disabled"}
    return {"type": "enabled", **({"token_budget": budget} if budget else {})}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools and the choice. One that must be called is the only one that may be."""
    choice = toolchoice.read(body)
    offered = [each for each in choice.functions if choice.name in ("", each["name"])]
    if not offered:
        return {}
    is_strict = all(each.get("strict") is True for each in offered)
    return {
        "tools": [_tool(each) for each in offered],
        "tool_choice": CHOICES[choice.mode],
        "strict_tools": True if is_strict else None,
    }


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: function[name] for name in ("name", "description") if function.get(name)}
    return {"type": "function", "function": {**said, "parameters": function.get("parameters") or NOTHING}}


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    said = conversation.read(messages)
    if said.system:
        yield {"role": "system", "content": said.system_text}
    for turn in said.turns:
        for result in turn.results:
            yield {"role": "tool", "tool_call_id": result.call_id, "content": _told(result)}
        if turn.role == "assistant":
            yield {"role": "assistant", **(_called(turn) if turn.calls else _answered(turn))}
        elif turn.parts or not turn.results:
            yield {"role": "user", "content": _content(turn.parts)}


def _told(result: ToolResult) -> str:
    if any(isinstance(part, Media) for part in result.parts):
        raise RequestRejected(
            "The model that answers here takes texts only as tools' results.",
            code="unsupported_value",
            param="messages",
        )
    return result.text


def _answered(turn: Turn) -> dict[str, Any]:
    thoughts = _thoughts(turn)
    return {"content": [*thoughts, *map(_part, turn.parts)] if thoughts else _content(turn.parts)}


def _called(turn: Turn) -> dict[str, Any]:
    """Return calls, with what was said before them as the plan: content may not stand beside them."""
    thoughts = _thoughts(turn)
    reasoning = turn.reasoning.removeprefix("".join(block["thinking"] for block in thoughts))
    plan = "\n".join(filter(None, (reasoning, *(part.text for part in turn.parts if isinstance(part, Text)))))
    return {
        **({"content": thoughts} if thoughts else {}),
        **({"tool_plan": plan} if plan else {}),
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": written(call.arguments)}}
            for call in turn.calls
        ],
    }


def _thoughts(turn: Turn) -> list[dict[str, Any]]:
    """Return the thoughts that are this format's own: other formats' are signed, or no text."""
    return [
        {"type": "thinking", "thinking": block["thinking"]}
        for block in turn.thinking
        if block.get("type") == "thinking" and isinstance(block.get("thinking"), str) and "signature" not in block
    ]


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    if not parts:
        return ""
    first = parts[0]
    return first.text if len(parts) == 1 and isinstance(first, Text) else [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if part.kind != "image":
        raise RequestRejected(
            f"The model that answers here takes no {part.kind}.", code="unsupported_value", param="messages"
        )
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": _url(part), **detail}}


def _url(media: Media) -> str:
    return media.url or f"data:{media.media_type};base64,{media.data}"
