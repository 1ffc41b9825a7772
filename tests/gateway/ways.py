"""Routes whose ways tests follow: with fallbacks, of families, of upstreams that cannot be reached."""

from functools import cache

from tests.live import Gateway
from tests.upstream import Upstream

WAYS = """
providers:
  - {{name: near, adapter: openai, base_url: "{url}", secret: near-secret,
      options: {{allow_private: true, cooldown: {{enabled: false}}, headers: {{x-house: ours}},
                 timeouts: {{connect: 2, first_byte: 2, chunk: 2, total: 10}}}}}}
  - {{name: dead, adapter: openai, base_url: "http://127.0.0.1:9/v1",
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
  - {{name: picky, adapter: openai, base_url: "{url}", secret: near-secret, options: {{allow_private: true}},
      quirks: {{parameters: {{top_k: false}}}}}}
  - {{name: guarded, adapter: openai, base_url: "https://8.8.8.8/v1", secret: guarded-secret}}
routes:
  - {{model: way-first, aliases: [way-alias], retries: 0, fallbacks: [way-forbidden, way-second],
      context_fallbacks: [way-long], content_fallbacks: [way-mild],
      targets: [{{provider: dead, upstream_model: upstream-1}}]}}
  - {{model: way-picky-first, retries: 0, context_fallbacks: [way-long], content_fallbacks: [way-mild],
      targets: [{{provider: near, upstream_model: upstream-1}}]}}
  - {{model: way-open, retries: 0, fallback_access: all, fallbacks: [way-forbidden],
      targets: [{{provider: dead, upstream_model: upstream-1}}]}}
  - {{model: way-second, retries: 0, targets: [{{provider: near, upstream_model: upstream-2}}]}}
  - {{model: way-forbidden, retries: 0, targets: [{{provider: near, upstream_model: upstream-3}}]}}
  - {{model: way-long, retries: 0, targets: [{{provider: near, upstream_model: upstream-long}}]}}
  - {{model: way-mild, retries: 0, targets: [{{provider: near, upstream_model: upstream-mild}}]}}
  - {{model: way-alone, retries: 1, targets: [{{provider: near, upstream_model: upstream-1}}]}}
  - {{model: way-dead, retries: 0, targets: [{{provider: dead, upstream_model: upstream-1}}]}}
  - {{model: way-unpriced, retries: 0, targets: [{{provider: near, upstream_model: no-price}}]}}
  - {{model: way-to-unpriced, retries: 0, fallbacks: [way-unpriced, way-second],
      targets: [{{provider: dead, upstream_model: upstream-1}}]}}
  - {{model: way-guarded, retries: 0, targets: [{{provider: guarded, upstream_model: upstream-1}}]}}
  - {{model: way-drops, retries: 0, targets: [{{provider: picky, upstream_model: upstream-1}}]}}
  - {{model: way-refuses, retries: 0, on_unsupported: refuse,
      targets: [{{provider: picky, upstream_model: upstream-1}}]}}
  - {{model: "azure/*", retries: 0, unpriced: allow, targets: [{{provider: near}}]}}
  - {{model: "anthropic/*", retries: 0, unpriced: allow, targets: [{{provider: near}}]}}
  - {{model: "cohere/*", retries: 0, unpriced: allow, targets: [{{provider: near}}]}}
  - {{model: "replicate/*", retries: 0, unpriced: allow, targets: [{{provider: near}}]}}
prices:
  - {{provider: near, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, output: 10.00}}
  - {{provider: near, upstream_model: upstream-2, from: 2026-01-01, input: 1.00, output: 4.00}}
  - {{provider: near, upstream_model: upstream-3, from: 2026-01-01, input: 1.00, output: 4.00}}
  - {{provider: near, upstream_model: upstream-long, from: 2026-01-01, input: 1.00, output: 4.00}}
  - {{provider: near, upstream_model: upstream-mild, from: 2026-01-01, input: 1.00, output: 4.00}}
  - {{provider: dead, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, output: 10.00}}
  - {{provider: guarded, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, output: 10.00}}
  - {{provider: picky, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, output: 10.00}}
"""
MODELS = [
    "way-first", "way-alias", "way-open", "way-second", "way-long", "way-mild", "way-picky-first", "way-alone",
    "way-dead", "way-g*",
]  # fmt: skip


def key_of(gateway: Gateway, upstream: Upstream) -> str:
    """Return a key that may use ``MODELS`` of the ways. Budgets that other tests left may have no room for them."""
    gateway.sql("UPDATE billing_budget SET ended_at = '2026-01-01 00:00:00+00:00'")
    gateway.take_in()
    return _key_of(gateway, upstream)


@cache
def _key_of(gateway: Gateway, upstream: Upstream) -> str:
    """The ways are there once in the life of a gateway."""
    gateway.apply(WAYS.format(url=upstream.url))
    return gateway.issue_key("ways@example.com", name="ways", models=MODELS)


def ask(model: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
