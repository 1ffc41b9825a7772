"""A chat request in Converse's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers import claude, claude_schema, parameters
from providers.adapters import bedrock_models
from providers.adapters.anthropic_tools import JSON_TOOL, ONLY_JSON
from providers.adapters.bedrock_content import Writer, cache_point
from providers.answers import written
from providers.claude import Capabilities
from providers.conversation import Conversation, Text, read
from providers.errors import RequestRejected
from providers.parameters import Rule, translated, unsupported
from providers.targets import Target

PARAMETERS: Mapping[str, Rule] = translated(
    "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice",
    "response_format", "reasoning_effort", "thinking", "service_tier",
)  # fmt: skip
# where the caller names no maximum and the target none: Claude's thoughts are counted within it
DEFAULT_MAX_TOKENS = 16_384
SERVICE_TIERS = frozenset({"default", "flex", "priority"})
OURS: Mapping[str, str] = {"temperature": "temperature", "topP": "top_p"}
EMPTY = {"type": "object", "properties": {}}


def chat(body: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Return the body of a converse request. Raises ``RequestRejected`` with the place of what cannot be said."""
    able = _capabilities(target)
    conversation = read(body["messages"])
    max_tokens = _max_tokens(body, target, able)
    wanted = _schema(body.get("response_format"))
    is_tool = wanted is not None and _answers_by_tool(target, able)
    tools = _tool_config(body, conversation, able, wanted if is_tool else None)
    said = {
        **parameters.carried(body, PARAMETERS),
        **Writer(target.upstream_model).conversation(conversation, _instructions(body.get("response_format"))),
        "inferenceConfig": _inference(body, max_tokens, able),
        "toolConfig": tools,
        "outputConfig": None if is_tool else _output(body, wanted, able),
        "additionalModelRequestFields": _additional(body, target.upstream_model, able, max_tokens)
        | _silence(body, able, tools),
        "serviceTier": _tier(body.get("service_tier")),
    }
    return {name: value for name, value in said.items() if value}


def unknown(body: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """Return the parameters of ``body`` that the target's model refuses."""
    able = _capabilities(target)
    if able is None:
        return bedrock_models.unknown(target.upstream_model)
    return claude.unknown(body, able, _max_tokens(body, target, able) or DEFAULT_MAX_TOKENS)


def _capabilities(target: Target) -> Capabilities | None:
    """Return what a Claude takes, None for the models of others."""
    model = target.upstream_model
    return claude.capabilities(model, target.provider.quirks) if claude.is_claude(model) else None


def _answers_by_tool(target: Target, able: Capabilities | None) -> bool:
    """Whether a schema can be said to the model as that of a tool only."""
    return bedrock_models.answers_by_tool(target.upstream_model) if able is None else not able.has_schema


def _max_tokens(body: Mapping[str, Any], target: Target, able: Capabilities | None) -> int | None:
    given = body.get("max_completion_tokens") or body.get("max_tokens")
    default = min(DEFAULT_MAX_TOKENS, able.max_output) if able else None
    return int(given) if given else target.max_output or default


def _inference(body: Mapping[str, Any], max_tokens: int | None, able: Capabilities | None) -> dict[str, Any]:
    """Return what steers the choice of words; a Claude that takes none of it takes no neutral value either."""
    temperature, neutral = body.get("temperature"), claude.NEUTRAL if able else {}
    sampling = {"temperature": None if temperature is None else max(0, min(temperature, 1)), "topP": body.get("top_p")}
    said = {
        "maxTokens": max_tokens,
        **{ours: value for ours, value in sampling.items() if value != neutral.get(OURS[ours], ...)},
        "stopSequences": _stops(body.get("stop"), able) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _additional(
    body: Mapping[str, Any], model: str, able: Capabilities | None, max_tokens: int | None
) -> dict[str, Any]:
    """Return the fields that are the model's own."""
    said: dict[str, Any] = dict(body.get("additionalModelRequestFields") or {})
    if body.get("top_k"):
        said |= bedrock_models.top_k(model, body["top_k"])
    effort = body.get("reasoning_effort")
    if able is None:
        return said | bedrock_models.effort(model, effort)
    thinking = claude.thinking(effort, body.get("thinking"), able, max_tokens or DEFAULT_MAX_TOKENS)
    if thinking.thinking:
        said["thinking"] = dict(thinking.thinking)
    if thinking.effort:
        said["output_config"] = {"effort": thinking.effort}
    return said


def _silence(body: Mapping[str, Any], able: Capabilities | None, tools: Any) -> dict[str, Any]:
    """Return Claude's own words for that none of the tools is to be called, which Converse has none for."""
    is_none = body.get("tool_choice") == "none" or not body.get("tools")
    if able is None or not tools or not is_none or "toolChoice" in tools:
        return {}
    return {"tool_choice": {"type": "none"}}


def _instructions(format: Any) -> tuple[Text, ...]:
    is_json = isinstance(format, Mapping) and format.get("type") == "json_object"
    return (Text(ONLY_JSON),) if is_json else ()


def _tool_config(
    body: Mapping[str, Any], conversation: Conversation, able: Capabilities | None, wanted: Any
) -> dict[str, Any] | None:
    """Return the tools and the choice among them; ``wanted`` is the schema of an answer that is given to a tool.

    There is no choice "none": then they are left out where that may be. A history with calls has to have tools.
    """
    if able is not None and not able.forces_tools and claude.forces_call(body):
        raise unsupported("tool_choice", "The model that answers here cannot be made to call a tool.")
    offered = [_tool(tool, f"tools[{at}]", able) for at, tool in enumerate(body.get("tools") or ())]
    choice, allowed = _choice(body.get("tool_choice") if offered else None)
    called = sorted({call.name for turn in conversation.turns for call in turn.calls})
    if body.get("tool_choice") == "none" and not called:
        offered = []
    tools = [block for name, blocks in offered if allowed is None or name in allowed for block in blocks]
    if wanted is not None:
        schema = wanted if able is None else claude_schema.schema(wanted)
        answer = _spec(JSON_TOOL, schema, f"Takes the answer. {ONLY_JSON}")
        is_only = not tools or body.get("tool_choice") == "none"
        forced = {"tool": {"name": JSON_TOOL}} if is_only else {"any": {}}
        return {"tools": [*tools, answer], "toolChoice": choice if choice and "tool" in choice else forced}
    if not tools:
        return {"tools": [_spec(name) for name in called]} if called else None
    return {"tools": tools, **({"toolChoice": choice} if choice else {})}


def _tool(tool: Any, place: str, able: Capabilities | None) -> tuple[str, list[dict[str, Any]]]:
    """Return the tool's name and its blocks: a cache point behind it, where it wants one."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RequestRejected("Only functions can be offered to this model as tools.", param=place)
    is_strict = function.get("strict") is True and (able is None or able.has_schema)
    schema = {"type": "object", **(function.get("parameters") or EMPTY)}
    said = _spec(
        function["name"], claude_schema.schema(schema) if is_strict and able else schema, function.get("description")
    )
    if is_strict:
        said["toolSpec"]["strict"] = True
    marked = tool.get("cache_control") or function.get("cache_control")
    ttl = marked.get("ttl") if isinstance(marked, Mapping) else None
    return function["name"], [said, *((cache_point(ttl),) if marked else ())]


def _spec(name: str, schema: Any = EMPTY, description: Any = None) -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {"toolSpec": {"name": name, **described, "inputSchema": {"json": schema}}}


def _choice(given: Any) -> tuple[dict[str, Any] | None, Sequence[str] | None]:
    """Return the choice, and the names of the only tools there are to choose from, where the caller names some."""
    if given in (None, "none"):
        return None, None
    if given in ("auto", "required"):
        return {"auto" if given == "auto" else "any": {}}, None
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind == "function":
        return {"tool": {"name": _name(given)}}, None
    if kind == "allowed_tools" and isinstance(given.get(kind), Mapping):
        allowed = given[kind]
        mode = "any" if allowed.get("mode") == "required" else "auto"
        return {mode: {}}, [_name(tool) for tool in allowed.get("tools") or ()]
    raise unsupported("tool_choice", "This tool_choice cannot be said to the model that answers here.")


def _name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise RequestRejected("A tool_choice names a function.", param="tool_choice")
    return name


def _schema(format: Any) -> dict[str, Any] | None:
    """Return the schema that the answer has to fit, None where there is none."""
    kind = format.get("type") if isinstance(format, Mapping) else None
    if format is None or kind in ("text", "json_object"):
        return None
    described = format.get("json_schema") if kind == "json_schema" else None
    schema = (described.get("schema") or EMPTY) if isinstance(described, Mapping) else None
    if not isinstance(schema, Mapping):
        raise unsupported("response_format", f"The model that answers here knows no response_format '{kind}'.")
    return dict(schema)


def _output(body: Mapping[str, Any], wanted: Any, able: Capabilities | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    schema = claude_schema.schema(wanted) if able else wanted
    described = body["response_format"]["json_schema"]
    said = {"schema": written(schema), "name": described.get("name"), "description": described.get("description")}
    structure = {"jsonSchema": {name: value for name, value in said.items() if value}}
    return {"textFormat": {"type": "json_schema", "structure": structure}}


def _stops(stop: Any, able: Capabilities | None) -> list[str]:
    given = [stop] if isinstance(stop, str) else list(stop or ())
    if able is not None and any(not text.strip() for text in given):
        raise unsupported("stop", "The model that answers here cannot be stopped by white space alone.")
    return given


def _tier(given: Any) -> dict[str, str] | None:
    return {"type": given} if isinstance(given, str) and given in SERVICE_TIERS else None
