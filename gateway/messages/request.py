"""A request of Anthropic's Messages API as a chat's body. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.fieldchecks import (
    Check,
    Invalid,
    boolean,
    checked,
    filled,
    integer,
    mapping,
    number,
    objects,
    one_of,
    string,
)
from gateway.messages import content, tools
from providers.translated import Translated

EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING = ("enabled", "disabled", "adaptive", "between_tools")
TIERS: Mapping[str, str | None] = {"auto": None, "standard_only": "default"}


def chat(body: Any) -> Translated:
    """Return the chat that says what ``body`` does, which stays beside it. Raises ``Invalid``."""
    given = {**checked(body, ("max_tokens", "messages"), FIELDS)}
    return _chat(_current(given))


def counted(body: Any) -> Translated:
    """Return the chat whose prompt is to be counted: nothing has to be said of the answer. Raises ``Invalid``."""
    return _chat(_current({**checked(body, ("messages",), FIELDS)}))


def _current(given: dict[str, Any]) -> dict[str, Any]:
    """Return what is said, an older name in today's place. Raises ``Invalid`` for what nobody here can do."""
    given = {name: value for name, value in given.items() if value is not None}
    for name in sorted(REFUSED & given.keys()):
        raise Invalid(f"'{name}' is not supported here.", name, "unsupported_parameter")
    if format := given.pop("output_format", None):
        given["output_config"] = {"format": format, **(given.get("output_config") or {})}
    return given


def _chat(given: dict[str, Any]) -> Translated:
    messages = [*content.system(given.get("system")), *content.messages(given["messages"])]
    said = {name: value for name, value in given.items() if name not in TAKEN}
    said |= {"messages": messages, **tools.chat(given.get("tools") or (), given.get("tool_choice"))}
    said |= dict(_parameters(given))
    return Translated(said, _original(given))


def _parameters(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "max_tokens" in given:
        yield "max_completion_tokens", given["max_tokens"]
    if given.get("stop_sequences"):
        yield "stop", given["stop_sequences"]
    if user := (given.get("metadata") or {}).get("user_id"):
        yield "user", user
    if tier := TIERS[given.get("service_tier", "auto")]:
        yield "service_tier", tier
    if thinking := given.get("thinking"):
        # thinking between calls only is as little as those models can
        yield "thinking", {"type": "disabled"} if thinking["type"] == "between_tools" else thinking
    output = given.get("output_config") or {}
    if output.get("effort") is not None:
        yield "reasoning_effort", output["effort"]
    if output.get("format") is not None:
        schema = output["format"]["schema"]
        described = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        yield "response_format", {"type": "json_schema", "json_schema": described}


def _original(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an upstream that speaks Messages is told: thoughts without their proof are none to it."""
    kept = {name: given[name] for name in ORIGINAL if name in given}
    kept["messages"] = [message for each in given["messages"] if (message := _proven(each))["content"] != []]
    return kept


def _proven(message: Mapping[str, Any]) -> Mapping[str, Any]:
    blocks = message["content"]
    if message["role"] != "assistant" or isinstance(blocks, str):
        return message
    kept = [block for block in blocks if block["type"] not in content.THOUGHTS or content.is_proven(block)]
    return message if len(kept) == len(blocks) else {**message, "content": kept}


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's models can be held to ``schema``: each object has all of its properties, and no others."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != set(properties):
            return False
    return all(is_strict(value) for name, value in schema.items() if name not in VALUES)


VALUES = frozenset({"required", "enum", "const", "default", "examples"})


def _strings(value: Any, param: str) -> None:
    if not isinstance(value, list):
        raise Invalid(f"Invalid type for '{param}': expected an array of strings.", param, "invalid_type")
    for at, each in enumerate(value):
        filled(each, f"{param}[{at}]")


def _thinking(value: Any, param: str) -> None:
    mapping(value, param)
    one_of(*THINKING)(value.get("type"), f"{param}.type")
    if value["type"] == "enabled" or value.get("budget_tokens") is not None:
        integer(1)(value.get("budget_tokens"), f"{param}.budget_tokens")


def _format(value: Any, param: str) -> None:
    mapping(value, param)
    one_of("json_schema")(value.get("type"), f"{param}.type")
    mapping(value.get("schema"), f"{param}.schema")


def _output(value: Any, param: str) -> None:
    mapping(value, param)
    if value.get("effort") is not None:
        one_of(*EFFORTS)(value["effort"], f"{param}.effort")
    if value.get("format") is not None:
        _format(value["format"], f"{param}.format")


def _metadata(value: Any, param: str) -> None:
    mapping(value, param)
    if value.get("user_id") is not None:
        string(value["user_id"], f"{param}.user_id")


FIELDS: Mapping[str, Check] = {
    "model": filled,
    "max_tokens": integer(1),
    "messages": objects(1),
    "system": content.text_or_blocks,
    "stop_sequences": _strings,
    "stream": boolean,
    "temperature": number(0, 1),
    "top_p": number(0, 1),
    "top_k": integer(0),
    "tools": tools.check,
    "tool_choice": tools.check_choice,
    "thinking": _thinking,
    "output_config": _output,
    "output_format": _format,
    "metadata": _metadata,
    "service_tier": one_of(*TIERS),
    "cache_control": mapping,
}
# Work in a place of the provider's own, or one that has a price of its own.
REFUSED = frozenset({"container", "mcp_servers", "inference_geo"})
# What only an upstream that speaks Messages is told as the caller said it.
ORIGINAL = (
    "messages", "system", "tools", "tool_choice", "stop_sequences", "metadata", "service_tier", "thinking",
    "output_config", "cache_control",
)  # fmt: skip
TAKEN = frozenset({*ORIGINAL, "max_tokens"})
