"""Ollama's own wire format, which says more than its OpenAI-compatible one: options, and how long a model stays.

A provider's option ``ollama_options`` goes with every call: ``{"num_ctx": 32768, "keep_alive": "30m"}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from providers import conversation
from providers.adapters import failures, ollama_answer, openai
from providers.adapters.shapes import Adapter, Request, Response
from providers.conversation import Media, Part, Text, Turn
from providers.errors import RequestRejected
from providers.framing import Lines
from providers.operations import TRANSCRIPTIONS
from providers.parameters import carried, sent, translated, unsupported
from providers.targets import Target

PATHS: Mapping[str, str] = {"chat.completions": "/api/chat", "embeddings": "/api/embed"}
# below this it speaks OpenAI's format, in which alone it hears
OPENAI = "/v1"
OPTIONS = sent(
    "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "repeat_penalty", "repeat_last_n",
    "presence_penalty", "frequency_penalty", repetition_penalty="repeat_penalty", n_keep="num_keep", batch="num_batch",
    n_predict="num_predict", max_tokens="num_predict", max_completion_tokens="num_predict",
)  # fmt: skip
CHAT = OPTIONS | translated(
    "stop", "tools", "tool_choice", "response_format", "grammar_json_functions", "reasoning_effort", "thinking",
    "logprobs", "top_logprobs",
)  # fmt: skip
EMBEDDINGS = translated("dimensions", "encoding_format")
# Of a provider's `ollama_options`, what stands beside `options`.
BESIDE_OPTIONS = frozenset(("keep_alive", "truncate", "shift", "think"))
THINK: Mapping[str, bool | str] = {
    "none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "max",
}  # fmt: skip
_encode = msgspec.json.Encoder().encode


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` for what cannot be said in this format."""
    if operation == TRANSCRIPTIONS:
        request = openai.encode(operation, body, target)
        return request._replace(path=OPENAI + request.path)
    said = _embed(body) if operation == "embeddings" else _chat(body)
    given = target.provider.options.get("ollama_options") or {}
    beside = {name: value for name, value in given.items() if name in BESIDE_OPTIONS}
    options = {name: value for name, value in given.items() if name not in BESIDE_OPTIONS} | said.pop("options", {})
    said = {"model": target.upstream_model, **beside, **said, **({"options": options} if options else {})}
    return Request(PATHS[operation], openai.headers(target), _encode(said))


def _embed(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise unsupported("input", "The model that answers here takes texts, no token ids.")
    said: dict[str, Any] = {"input": texts, "options": _carried(body, EMBEDDINGS)}
    return said | ({"dimensions": body["dimensions"]} if body.get("dimensions") else {})


def _chat(body: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"messages": list(_messages(body["messages"])), "stream": bool(body.get("stream"))}
    said["options"] = _carried(body, CHAT)
    if stop := body.get("stop"):
        said["options"]["stop"] = [stop] if isinstance(stop, str) else stop
    if tools := _tools(body):
        said["tools"] = tools
    if format := _format(body.get("response_format")) or body.get("grammar_json_functions"):
        said["format"] = format
    think = _think(body)
    if think is not None:
        said["think"] = think
    return said | {name: body[name] for name in ("logprobs", "top_logprobs") if body.get(name)}


def _carried(body: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in carried(body, rules).items() if value is not None}


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    said = conversation.read(messages)
    if said.system:
        yield {"role": "system", "content": said.system_text}
    for turn in said.turns:
        for result in turn.results:
            named = {"tool_name": result.name, "tool_call_id": result.call_id}
            yield _message("tool", result.parts) | {name: value for name, value in named.items() if value}
        if turn.parts or turn.calls or not turn.results:
            yield _message(turn.role, turn.parts) | _thought_and_called(turn)


def _message(role: str, parts: Sequence[Part]) -> dict[str, Any]:
    said: dict[str, Any] = {"role": role, "content": "\n".join(part.text for part in parts if isinstance(part, Text))}
    images = [_image(part) for part in parts if isinstance(part, Media)]
    return said | ({"images": images} if images else {})


def _image(part: Media) -> str:
    if part.kind != "image" or not part.data:
        raise RequestRejected(
            f"The model that answers here takes no {part.kind}.", code="unsupported_value", param="messages"
        )
    return part.data


def _thought_and_called(turn: Turn) -> dict[str, Any]:
    said: dict[str, Any] = {"thinking": turn.reasoning} if turn.reasoning else {}
    if turn.calls:
        said["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.arguments}}
            for index, call in enumerate(turn.calls)
        ]
    return said


def _tools(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tools. That one must be called cannot be said, that none may is said by leaving them out."""
    choice = body.get("tool_choice")
    if choice not in (None, "auto", "none"):
        raise unsupported("tool_choice", "The model that answers here cannot be made to call a tool.")
    tools = body.get("tools") or []
    if any(tool.get("type") != "function" for tool in tools):
        raise unsupported("tools", "The model that answers here takes tools of type 'function' only.")
    return [] if choice == "none" else list(tools)


def _format(asked: Any) -> Any:
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return "json"
    if kind == "json_schema" and isinstance(asked.get("json_schema"), dict):
        return asked["json_schema"].get("schema") or "json"
    raise unsupported("response_format", f"The model that answers here knows no format '{kind}'.")


def _think(body: Mapping[str, Any]) -> bool | str | None:
    effort, thinking = body.get("reasoning_effort"), body.get("thinking")
    if effort is not None:
        if not isinstance(effort, str) or effort not in THINK:
            raise unsupported("reasoning_effort", f"The model that answers here knows no effort '{effort}'.")
        return THINK[effort]
    if isinstance(thinking, dict) and "type" in thinking:
        return bool(thinking["type"] != "disabled")
    return thinking if isinstance(thinking, bool) else None


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``UpstreamError``."""
    if operation == TRANSCRIPTIONS:
        return openai.decode(operation, response)
    return ollama_answer.decode(operation, response)


ADAPTER = Adapter(
    operations=(*PATHS, TRANSCRIPTIONS),
    encode=encode,
    decode=decode,
    decode_stream=ollama_answer.decode_stream,
    decode_error=failures.of,
    framing=Lines,
    parameters={"chat.completions": CHAT, "embeddings": EMBEDDINGS},
    base_url="http://localhost:11434",
    inlines_media=True,
)
