"""A translated body as a service takes it that has less to say: no marks and thoughts of other formats. Pure.

What a caller says in OpenAI's own words goes out as it stands. What the gateway has translated has more in it than
OpenAI's format: each service is told what it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from providers.adapters.shapes import Adapter
from providers.parameters import Fitted, unsupported
from providers.targets import Target

Body = Mapping[str, Any]

CACHE, REASONING = "cache_control", "reasoning_content"
# What of a message beside OpenAI's own is known to whom.
KNOWN: Mapping[str, frozenset[str]] = {
    "openrouter": frozenset({CACHE, REASONING}),
    **dict.fromkeys(("deepseek", "fireworks", "groq", "huggingface", "llamacpp", "together", "vllm"),
                    frozenset({REASONING})),
}  # fmt: skip
EXTRAS = frozenset({CACHE, REASONING, "thinking_blocks", "extra_content", "is_error"})
# What Anthropic's clients ask of its own service alone: trials, or the same answer sooner and dearer.
PASSED_OVER = frozenset({"betas", "context_management", "diagnostics", "speed", "user_profile_id", "workspace_id"})
# Models that can be told how hard to think; who else is told so refuses the whole request.
REASONS = re.compile(r"(^|[/.])(o[1-9]|gpt-[5-9]|gpt-oss|codex)")
BUDGETS: Mapping[str, int] = {"low": 2_048, "medium": 8_192}
EFFORTS: Mapping[str, str] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
WITHOUT_TOP_K = ("openai", "azure")
LONGEST_USER = 64
# says that what a tool has shown comes next, where no result may hold a picture
SHOWN = "(What it shows follows.)"


def told(body: Body, adapter: Adapter, target: Target) -> Fitted:
    """Return what ``target`` can be told of a translated body, and what it could not be told."""
    said = {name: value for name, value in body.items() if name not in PASSED_OVER}
    passed_over = tuple(name for name in body if name in PASSED_OVER)
    _within(said, target.max_output)
    if adapter.parameters.get("chat.completions") is not None:
        return Fitted(said, passed_over)
    known = KNOWN.get(target.provider.adapter, frozenset())
    said["messages"] = list(_messages(body["messages"], EXTRAS - known))
    if body.get("tools"):
        said["tools"] = [_tool(tool, EXTRAS - known, at) for at, tool in enumerate(body["tools"])]
    if len(user := str(said.get("user") or "")) > LONGEST_USER:
        said["user"] = sha256(user.encode("utf-8", "surrogatepass")).hexdigest()
    return Fitted(said, (*passed_over, *_parameters(said, target)))


def _tool(tool: dict[str, Any], unknown: frozenset[str], at: int) -> dict[str, Any]:
    if tool.get("type") != "function":
        raise unsupported(f"tools[{at}]", f"The model that answers here knows no tool of type '{tool.get('type')}'.")
    return _without(tool, unknown)


def _within(said: dict[str, Any], most: int | None) -> None:
    """Ask for no more than the model can say: the caller's figure is often another model's most."""
    asked = said.get("max_completion_tokens")
    if most is not None and asked is not None and asked > most:
        said["max_completion_tokens"] = most


def _parameters(said: dict[str, Any], target: Target) -> Iterator[str]:
    """Take out the parameters that the model does not know, and yield their names."""
    known = target.provider.quirks.get("parameters") or {}
    thinking, asked = said.pop("thinking", None) or {}, said.pop("reasoning_effort", None)
    effort = asked or _effort(thinking)
    if target.provider.adapter == "openrouter" or REASONS.search(target.upstream_model):
        if effort is not None:
            said["reasoning_effort"] = EFFORTS[effort]
    elif asked is not None:
        yield "reasoning_effort"
    elif thinking.get("type") in ("enabled", "adaptive"):
        yield "thinking"
    if "top_k" in said and target.provider.adapter in WITHOUT_TOP_K and not known.get("top_k"):
        del said["top_k"]
        yield "top_k"


def _effort(thinking: Mapping[str, Any]) -> str | None:
    """Return the effort that a budget of tokens is; a model that is to decide for itself is told nothing."""
    if thinking.get("type") != "enabled":
        return None
    return next((effort for effort, most in BUDGETS.items() if thinking["budget_tokens"] <= most), "high")


def _messages(messages: Sequence[dict[str, Any]], unknown: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield the messages. Pictures that tools have shown come after the results, as the user's."""
    shown: list[Any] = []
    for message in messages:
        if shown and message["role"] != "tool":
            yield {"role": "user", "content": shown}
            shown = []
        content = message.get("content")
        if isinstance(content, list):
            parts = [_without(part, unknown) for part in content]
            if message["role"] == "tool":
                shown += [part for part in parts if part["type"] != "text"]
                parts = [part for part in parts if part["type"] == "text"] or [{"type": "text", "text": SHOWN}]
            message = {**message, "content": _content(parts, unknown)}
        if message.get("tool_calls"):
            message = {**message, "tool_calls": [_without(call, unknown) for call in message["tool_calls"]]}
        yield _without(message, unknown)
    if shown:
        yield {"role": "user", "content": shown}


def _content(parts: list[dict[str, Any]], unknown: frozenset[str]) -> Any:
    """Return one text alone as the text that it is: every server reads that."""
    is_text = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return parts[0]["text"] if is_text and CACHE in unknown else parts


def _without(said: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return said if names.isdisjoint(said) else {name: value for name, value in said.items() if name not in names}
