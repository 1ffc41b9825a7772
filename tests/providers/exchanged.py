"""One exchange with an adapter, without a socket: what it sends, and what becomes of an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from providers.adapters import ADAPTERS
from providers.adapters.shapes import Request, Response
from providers.errors import UpstreamError
from providers.exchange import Chunk, Exchange
from providers.targets import Target, Upstream
from tests.providers.added_up import choices, seen

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SECRET = "sk-upstream-secret"


def exchange(
    adapter: str,
    body: dict[str, Any],
    *,
    operation: str = "chat.completions",
    model: str = "m",
    url: str = "",
    options: dict[str, Any] | None = None,
    quirks: dict[str, Any] | None = None,
) -> Exchange:
    quirks = {**ADAPTERS[adapter].quirks, **(quirks or {})}
    upstream = Upstream("up", adapter, url, SECRET, options=options or {}, quirks=quirks)
    return Exchange(operation, {"model": "public", **body}, Target(1, upstream, model))


def asked(adapter: str, body: dict[str, Any], **of: Any) -> tuple[Request, Any]:
    """Return the request that is sent, and its body."""
    request = exchange(adapter, body, **of).request(NOW)
    return request, json.loads(request.body)


def answered(adapter: str, said: Any, status: int = 200, body: dict[str, Any] | None = None, **of: Any) -> Any:
    """Return the answer that the caller gets. Raises ``UpstreamError``."""
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    answer, raw = exchange(adapter, body or {}, **of).answer(Response(status, {}, data))
    return answer if raw is None else json.loads(raw)


def streamed(
    adapter: str, sent: bytes, cut: int = 100_000, body: dict[str, Any] | None = None, **of: Any
) -> tuple[list[Chunk], UpstreamError | None]:
    """Return the chunks of a stream that arrives in pieces of ``cut`` bytes, and how it failed."""
    reader = exchange(adapter, {"stream": True, **(body or {})}, **of).reader()
    chunks = [chunk for at in range(0, len(sent), cut) for chunk in reader.feed(sent[at : at + cut])]
    return chunks + reader.close(), reader.error


def told(chunks: list[Chunk]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the choices of a stream as a whole answer has them, and the usage that it told of."""
    added = choices(seen(chunks))
    for choice in added:
        if "message" in choice:
            choice["message"].setdefault("refusal", None)
    return added, [chunk.usage for chunk in chunks if chunk.usage]


def whole(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what of a whole answer's choices a stream tells as well."""
    return [{name: each[name] for name in ("message", "finish_reason")} for each in answer["choices"]]
