"""Routes with an answer cache, and what callers ask of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.live import Gateway
from tests.upstream import Upstream

CHAT = "/v1/chat/completions"
ROUTES = """
teams:
  - {{name: cachers}}
providers:
  - {{name: kept, adapter: openai, base_url: "{url}", secret: kept-secret,
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
  - {{name: gone, adapter: openai, base_url: "http://127.0.0.1:9/v1",
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
routes:
  - {{model: own, retries: 0, cache: {{ttl: 300, share: key}}, targets: [{{provider: kept, upstream_model: m}}]}}
  - {{model: ours, retries: 0, cache: {{ttl: 300, share: team}}, targets: [{{provider: kept, upstream_model: m}}]}}
  - {{model: shared, aliases: [shared-alias], retries: 0, cache: {{ttl: 300, share: all}},
      targets: [{{provider: kept, upstream_model: m}}]}}
  - {{model: uncached, retries: 0, targets: [{{provider: kept, upstream_model: m}}]}}
  - {{model: emptied, retries: 0, cache: {{ttl: 300, share: all}}, targets: [{{provider: kept, upstream_model: m}}]}}
  - {{model: stands-in, retries: 0, fallbacks: [uncached], cache: {{ttl: 300, share: all}},
      targets: [{{provider: gone, upstream_model: m}}]}}
prices:
  - {{provider: kept, upstream_model: m, from: 2026-01-01, input: 2.50, output: 10.00, request: 0.01}}
  - {{provider: gone, upstream_model: m, from: 2026-01-01, input: 2.50, output: 10.00}}
"""


@cache
def keys_of(gateway: Gateway, upstream: Upstream) -> dict[str, str]:
    """Return keys by what they are: two of a user's own, two of one team, others of the first user's."""
    gateway.apply(ROUTES.format(url=upstream.url))
    return {
        "first": gateway.issue_key("first@example.com", name="first"),
        "second": gateway.issue_key("second@example.com", name="second"),
        "mate": gateway.issue_key("first@example.com", name="mate", team="cachers"),
        "partner": gateway.issue_key("second@example.com", name="partner", team="cachers"),
        "limited": gateway.issue_key("first@example.com", name="limited"),
        "bounded": gateway.issue_key("first@example.com", name="bounded"),
        "kept-out": gateway.issue_key("first@example.com", name="kept-out", models=["uncached"]),
    }


def ask(model: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}
