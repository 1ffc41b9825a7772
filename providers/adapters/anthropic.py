"""Anthropic's wire format: Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import anthropic_answer, anthropic_errors, anthropic_native, anthropic_request
from providers.adapters.anthropic_stream import StreamDecoder
from providers.adapters.openai import COMMON_HEADERS, extra_headers
from providers.adapters.shapes import Adapter, Request, Response
from providers.adapters.values import count
from providers.operations import COUNT
from providers.targets import Target
from providers.translated import Translated, original_of

# what is said of the prompt
COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control")


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` with the place of what cannot be said."""
    path = "/messages" if target.provider.base_url.rstrip("/").endswith("/v1") else "/v1/messages"
    said = _said(body, target)
    if operation == COUNT:
        path, said = f"{path}/count_tokens", {name: said[name] for name in COUNTED if name in said}
    return Request(path, _headers(target), msgspec.json.encode(said))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer, and as it came beside it. Raises ``BadAnswer``, or the error that stands inside a 200."""
    told = anthropic_answer.read(response.body, response.headers)
    if operation == COUNT:
        return {"input_tokens": count(told["input_tokens"])}, None
    return anthropic_answer.with_original(anthropic_answer.completion(told), told), None


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder(keeps_events=isinstance(body, Translated) and "response_format" not in body)


def _said(body: Mapping[str, Any], target: Target) -> dict[str, Any]:
    original = original_of(body)
    if original is None:
        return anthropic_request.chat(body, target)
    chat = anthropic_request.chat(anthropic_native.named(body), target)
    return anthropic_native.body(original, chat, anthropic_request.capabilities(target))


def _headers(target: Target) -> tuple[tuple[str, str], ...]:
    provider = target.provider
    said = [*COMMON_HEADERS, ("anthropic-version", anthropic_request.version(target))]
    if provider.secret:
        said.append(("x-api-key", provider.secret))
    if beta := provider.options.get("anthropic_beta"):
        said.append(("anthropic-beta", beta if isinstance(beta, str) else ",".join(map(str, beta))))
    return (*said, *extra_headers(target))


ADAPTER = Adapter(
    operations=("chat.completions", COUNT),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=anthropic_errors.of,
    parameters=dict.fromkeys(("chat.completions", COUNT), anthropic_request.PARAMETERS),
    unknown=anthropic_request.unknown,
    base_url="https://api.anthropic.com",
    price_book="anthropic",
)
