"""A chat request in Gemini's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers import parameters
from providers.adapters import gemini_models
from providers.conversation import Conversation, Media, Part, Text, ToolCall, ToolResult, Turn, read
from providers.errors import RequestRejected
from providers.parameters import Rule, sent, translated, unsupported

PARAMETERS: Mapping[str, Rule] = {
    **sent("temperature", "seed"),
    **sent(top_p="topP", top_k="topK", n="candidateCount"),
    **sent(frequency_penalty="frequencyPenalty", presence_penalty="presencePenalty"),
    **translated("max_tokens", "max_completion_tokens", "stop", "logprobs", "top_logprobs", "response_format", "tools"),
    **translated("tool_choice", "reasoning_effort", "thinking", "service_tier", "safety_settings"),
}
# Saying these is saying nothing, and some models refuse to hear it.
NEUTRAL: Mapping[str, Any] = {"topK": 0, "candidateCount": 1, "frequencyPenalty": 0, "presencePenalty": 0}
ROLES = {"user": "user", "assistant": "model"}
MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}
SERVICE_TIERS = {"default": "standard", "flex": "flex", "priority": "priority", "fast": "priority"}
# What Google's validator lets pass where the signature of a call was lost, or the call is another model's.
NO_SIGNATURE = "skip_thought_signature_validator"
# Said of a link, whose type the API wants to know before it is fetched.
MEDIA_TYPES: Mapping[str, str] = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
    ".heic": "image/heic", ".heif": "image/heif", ".bmp": "image/bmp", ".pdf": "application/pdf", ".txt": "text/plain",
    ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".wav": "audio/wav",
    ".mp3": "audio/mp3", ".aac": "audio/aac", ".ogg": "audio/ogg", ".flac": "audio/flac", ".mp4": "video/mp4",
    ".mov": "video/mov", ".webm": "video/webm",
}  # fmt: skip


def chat(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the body of generateContent. Raises ``RequestRejected`` with the place of what cannot be said."""
    conversation = read(body["messages"])
    said = {
        **_messages(conversation, gemini_models.wants_signatures(model)),
        **_tools(body),
        "generationConfig": _configuration(body, model),
        "safetySettings": body.get("safety_settings"),
        "serviceTier": SERVICE_TIERS.get(str(body.get("service_tier"))),
    }
    return {name: value for name, value in said.items() if value}


def _messages(conversation: Conversation, wants_signatures: bool) -> dict[str, Any]:
    contents = [{"role": ROLES[turn.role], "parts": _parts(turn, wants_signatures)} for turn in conversation.turns]
    contents = [content for content in contents if content["parts"]]
    system = [{"text": conversation.system_text}] if conversation.system else []
    if contents:
        return {"contents": contents, "systemInstruction": {"parts": system} if system else None}
    if not system:
        raise RequestRejected("There is nothing in the messages that this model could answer.", param="messages")
    return {"contents": [{"role": "user", "parts": system}]}


def _parts(turn: Turn, wants_signatures: bool) -> list[dict[str, Any]]:
    return [
        *(part for result in turn.results for part in _result(result)),
        *(_part(part) for part in turn.parts),
        *(_call(call, wants_signatures and at == 0) for at, call in enumerate(turn.calls)),
    ]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"text": part.text}
    return _link(part) if part.url else {"inlineData": {"mimeType": part.media_type, "data": part.data}}


def _link(media: Media) -> dict[str, Any]:
    suffix = PurePosixPath(urlsplit(media.url).path).suffix.lower()
    kind = MEDIA_TYPES.get(suffix)
    return {"fileData": {"fileUri": media.url} | ({"mimeType": kind} if kind else {})}


def _call(call: ToolCall, needs_signature: bool) -> dict[str, Any]:
    """Return the call's part. Of calls made at once only the first has a signature."""
    google = call.extra.get("google")
    signature = google.get("thought_signature") if isinstance(google, Mapping) else None
    said: dict[str, Any] = {"functionCall": _named(call.id, call.name) | {"args": call.arguments}}
    if signature or needs_signature:
        said["thoughtSignature"] = signature or NO_SIGNATURE
    return said


def _result(result: ToolResult) -> list[dict[str, Any]]:
    if not result.name:
        raise RequestRejected(
            f"No tool call before it has the id of the tool message '{result.call_id}'.", param="messages"
        )
    answer = _named(result.call_id, result.name) | {"response": _response(result.text)}
    media = [_part(part) for part in result.parts if isinstance(part, Media)]
    return [{"functionResponse": answer}, *media]


def _named(id: str, name: str) -> dict[str, Any]:
    return {"id": id, "name": name} if id else {"name": name}


def _response(text: str) -> dict[str, Any]:
    """Return a tool's answer as the object that it has to be."""
    try:
        value = msgspec.json.decode(text) if text.lstrip().startswith("{") else None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"output": text}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = body.get("tools") or ()
    if not tools:
        return {}
    declared = [_declaration(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
    calling = _calling(body.get("tool_choice"), any(tool["function"].get("strict") is True for tool in tools))
    return {
        "tools": [{"functionDeclarations": declared}],
        "toolConfig": {"functionCallingConfig": calling} if calling else None,
    }


def _declaration(tool: Any, place: str) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RequestRejected("Only functions can be offered to this model as tools.", param=place)
    said = {
        "name": function["name"],
        "description": function.get("description"),
        "parametersJsonSchema": function.get("parameters"),
    }
    return {name: value for name, value in said.items() if value}


def _calling(choice: Any, is_strict: bool) -> dict[str, Any] | None:
    """Return the functionCallingConfig; None leaves it to the model, as it does by itself."""
    if choice is None or choice == "auto":
        return {"mode": "VALIDATED"} if is_strict else choice and {"mode": "AUTO"}
    if isinstance(choice, str) and choice in MODES:
        return {"mode": MODES[choice]}
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind == "function":
        return {"mode": "ANY", "allowedFunctionNames": _names([choice])}
    if kind == "allowed_tools" and isinstance(choice.get(kind), Mapping):
        allowed = choice[kind]
        mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
        return {"mode": mode, "allowedFunctionNames": _names(allowed.get("tools") or ())}
    raise unsupported("tool_choice", "This tool_choice cannot be said to the model that answers here.")


def _names(tools: Sequence[Any]) -> list[str]:
    functions = [tool.get("function") if isinstance(tool, Mapping) else None for tool in tools]
    names = [function.get("name") if isinstance(function, Mapping) else None for function in functions]
    if not all(isinstance(name, str) for name in names):
        raise RequestRejected("A tool_choice names functions.", param="tool_choice")
    return [str(name) for name in names]


def _configuration(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    carried = parameters.carried(body, PARAMETERS)
    stop = body.get("stop")
    wants_logprobs = body.get("logprobs")
    said = {
        "maxOutputTokens": body.get("max_completion_tokens") or body.get("max_tokens"),
        "stopSequences": [stop] if isinstance(stop, str) and stop else stop,
        "responseLogprobs": wants_logprobs,
        "logprobs": body.get("top_logprobs") if wants_logprobs else None,
        "thinkingConfig": gemini_models.thinking(body, model),
        **_format(body.get("response_format")),
    }
    return {name: value for name, value in carried.items() if value is not None and NEUTRAL.get(name) != value} | {
        name: value for name, value in said.items() if value
    }


def _format(wanted: Any) -> dict[str, Any]:
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if wanted is None or kind == "text":
        return {}
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    if kind == "json_schema":
        described = wanted.get(kind)
        schema = described.get("schema") if isinstance(described, Mapping) else None
        return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    raise unsupported("response_format", f"The model that answers here knows no response_format '{kind}'.")
