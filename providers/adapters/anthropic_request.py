"""A chat request in Anthropic's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from providers import claude, parameters
from providers.adapters import anthropic_messages, anthropic_tools
from providers.adapters.anthropic_tools import ONLY_JSON
from providers.answers import written
from providers.claude import NEUTRAL, Capabilities, Thinking
from providers.conversation import Text, read
from providers.parameters import Rule, sent, translated, unsupported
from providers.targets import Target

PARAMETERS: Mapping[str, Rule] = {
    **sent("top_k", "top_p"),
    **translated("temperature", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice"),
    **translated("parallel_tool_calls", "response_format", "reasoning_effort", "thinking", "service_tier"),
    **translated("user", "safety_identifier"),
}
# where the caller names no maximum and the target none: as the gateway reckons what a call can cost
DEFAULT_MAX_TOKENS = 16_384
# the capacity that was paid for beforehand is used, or it is not
SERVICE_TIERS: Mapping[str, str] = {
    "auto": "auto", "priority": "auto", "fast": "auto", "scale": "auto", "default": "standard_only",
    "flex": "standard_only",
}  # fmt: skip
# What is or may be a person's address or number is refused as the id of one.
PERSONAL = re.compile(r"@|^[+\d\s().-]{7,}$")
# the version that the adapter speaks, in which the models that can take them still take sampling parameters
VERSION = "2023-06-01"
WITHOUT_SAMPLING = "2026-10-21"


def chat(body: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return the body of a message request. Raises ``RequestRejected`` with the place of what cannot be said."""
    able = capabilities(target)
    conversation = read(body["messages"])
    max_tokens = _max_tokens(body, target, able)
    thinking = claude.thinking(body.get("reasoning_effort"), body.get("thinking"), able, max_tokens)
    wanted = _schema(body.get("response_format"))
    said = {
        "model": target.upstream_model,
        "max_tokens": max_tokens,
        "system": anthropic_messages.system(conversation, _instructions(body.get("response_format"), able)),
        "messages": anthropic_messages.messages(conversation),
        **anthropic_tools.tools(body, conversation, able, wanted),
        "thinking": thinking.thinking,
        "output_config": _output(thinking, wanted if able.has_schema else None),
        "stop_sequences": _stops(body.get("stop")),
        "metadata": _metadata(body),
        "service_tier": SERVICE_TIERS.get(str(body.get("service_tier"))),
        "stream": body.get("stream"),
        **_sampling(body),
    }
    return {name: value for name, value in said.items() if value or type(value) in (int, float)}


def unknown(body: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """Return the parameters of ``body`` that the target's model refuses."""
    able = capabilities(target)
    return claude.unknown(body, able, _max_tokens(body, target, able))


def capabilities(target: Target) -> Capabilities:
    """Return what the model takes in the version of the API that the provider's row names."""
    able = claude.capabilities(target.upstream_model, target.provider.quirks)
    return able if version(target) < WITHOUT_SAMPLING else able._replace(sampling="")


def version(target: Target) -> str:
    return str(target.provider.options.get("anthropic_version") or VERSION)


def _max_tokens(body: Mapping[str, Any], target: Target, able: Capabilities) -> int:
    given = body.get("max_completion_tokens") or body.get("max_tokens")
    return int(given) if given else target.max_output or min(DEFAULT_MAX_TOKENS, able.max_output)


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what steers the choice of words. OpenAI's temperatures go up to 2."""
    said = parameters.carried(body, PARAMETERS)
    if body.get("temperature") is not None:
        said["temperature"] = min(body["temperature"], 1)
    return {name: value for name, value in said.items() if value is not None and NEUTRAL.get(name) != value}


def _schema(format: Any) -> Any:
    """Return the schema that the answer has to fit, None where there is none."""
    kind = format.get("type") if isinstance(format, Mapping) else None
    if format is None or kind in ("text", "json_object"):
        return None
    described = format.get("json_schema") if kind == "json_schema" else None
    if not isinstance(described, Mapping):
        raise unsupported("response_format", f"The model that answers here knows no response_format '{kind}'.")
    return described.get("schema") or {"type": "object", "properties": {}}


def _instructions(format: Any, able: Capabilities) -> tuple[Text, ...]:
    """Return what the model has to be told in words, as it can be told in no other way."""
    if isinstance(format, Mapping) and format.get("type") == "json_object":
        return (Text(ONLY_JSON),)
    wanted = _schema(format)
    if wanted is None or able.has_schema or able.forces_tools:
        return ()
    return (Text(f"{ONLY_JSON} It has to fit this JSON schema: {written(wanted)}"),)


def _output(thinking: Thinking, wanted: Any) -> dict[str, Any]:
    said = {
        "effort": thinking.effort,
        "format": {"type": "json_schema", "schema": claude.schema(wanted)} if wanted else None,
    }
    return {name: value for name, value in said.items() if value}


def _stops(stop: Any) -> list[str]:
    given = [stop] if isinstance(stop, str) else list(stop or ())
    if any(not text.strip() for text in given):
        raise unsupported("stop", "The model that answers here cannot be stopped by white space alone.")
    return given


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    given = body.get("safety_identifier") or body.get("user")
    if not given:
        return {}
    user = given if isinstance(given, str) else written(given)
    is_fit = len(user) <= 256 and not PERSONAL.search(user)
    return {"user_id": user if is_fit else sha256(user.encode("utf-8", "surrogatepass")).hexdigest()}
