"""OpenAI's own client in front of a live gateway, and what is held against the specifications."""

from __future__ import annotations

from typing import Any

import openai

from tests.conformance import shared
from tests.gateway.responses import specification
from tests.live import Gateway
from tests.upstream import Upstream


def client_of(gateway: Gateway, key: str = "", **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.url, api_key=key or gateway.key, max_retries=0, **options)


def told(upstream: Upstream, at: int = -1) -> list[tuple[str, Any]]:
    """Return the messages of a chat that the upstream was asked for."""
    return [(message["role"], message["content"]) for message in upstream.requests[at]["body"]["messages"]]


def ids(items: Any) -> list[str]:
    return [item.id for item in items]


def texts(items: Any) -> list[str]:
    return [item.content[0].text for item in items]


def conforms(response: dict[str, Any]) -> bool:
    """Hold a response against both specifications, where they are."""
    if not shared.PRESENT:
        return True
    assert specification.openai("Response", response) == []
    assert specification.strict("ResponseResource", response) == []
    return True


def event_conforms(event: dict[str, Any]) -> bool:
    if shared.PRESENT:
        assert specification.openai("ResponseStreamEvent", event) == [], event
    return True


def conforms_to(schema: str, body: dict[str, Any]) -> bool:
    if shared.PRESENT:
        assert specification.openai(schema, body) == [], body
    return True
