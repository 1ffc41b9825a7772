"""What becomes of a message's request at an upstream, and of its answer, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from gateway.messages import answer, request
from providers.adapters import ADAPTERS
from providers.adapters.shapes import Response
from providers.exchange import Exchange
from providers.targets import Target, Upstream

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def exchange(adapter: str, body: dict[str, Any], model: str = "m", operation: str = "chat.completions", **of: Any):
    quirks = {**ADAPTERS[adapter].quirks, **of.pop("quirks", {})}
    options = of.pop("options", {"region": "us-east-1"})
    upstream = Upstream("up", adapter, "", "sk-upstream", options=options, quirks=quirks)
    said = request.counted(body) if operation == "count_tokens" else request.chat(body)
    return Exchange(operation, said, Target(1, upstream, model, **of))


def sent(adapter: str, body: dict[str, Any], model: str = "m", **of: Any) -> dict[str, Any]:
    """Return the body that goes out. Raises ``Invalid`` and ``RequestRejected``."""
    return json.loads(exchange(adapter, body, model, **of).request(NOW).body)


def answered(adapter: str, body: dict[str, Any], said: Any, model: str = "m") -> dict[str, Any]:
    """Return the message that the caller gets for what the upstream has ``said``."""
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    told, _ = exchange(adapter, body, model).answer(Response(200, {}, data))
    return answer.message(told, body.get("stop_sequences") or ())


def streamed(adapter: str, body: dict[str, Any], said: bytes, writer: Any, cut: int = 100, model: str = "m") -> bytes:
    """Return what ``writer`` makes of the stream up to its end, which arrives in pieces of ``cut`` bytes."""
    reader = exchange(adapter, {**body, "stream": True}, model).reader()
    chunks = [chunk for at in range(0, len(said), cut) for chunk in reader.feed(said[at : at + cut])]
    chunks += reader.close()
    assert reader.error is None
    return b"".join(map(writer.chunk, chunks))
