"""A running gateway with routes to an upstream of pictures and sounds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.media.upstream import MediaUpstream
from tests.live import Gateway

ROUTES = """
providers:
  - {{name: studio, adapter: openai, base_url: "{url}", secret: upstream-secret,
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
  - {{name: gallery, adapter: openai, base_url: "{url}", secret: upstream-secret, price_book: openai,
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
  - {{name: own, adapter: localai, base_url: "{url}", options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
  - {{name: absent, adapter: openai, base_url: "http://127.0.0.1:9/v1",
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
routes:
  - {{model: draws, retries: 0, targets: [{{provider: studio, upstream_model: draws}}]}}
  - {{model: draws-by-tokens, retries: 0, targets: [{{provider: studio, upstream_model: tokens}}]}}
  - {{model: gpt-image-1.5, retries: 0, targets: [{{provider: gallery}}]}}
  - {{model: gpt-image-unheard-of, retries: 0, targets: [{{provider: gallery}}]}}
  - {{model: says, retries: 0, targets: [{{provider: studio, upstream_model: says}}]}}
  - {{model: hears, retries: 1, targets: [{{provider: studio, upstream_model: hears}}]}}
  - {{model: hears-elsewhere, retries: 0, targets: [
      {{provider: absent, upstream_model: hears, priority: 0}},
      {{provider: studio, upstream_model: hears, priority: 1}}]}}
  - {{model: own, retries: 0, unpriced: allow, targets: [{{provider: own, upstream_model: own}}]}}
  - {{model: unpriced, retries: 0, targets: [{{provider: studio, upstream_model: nobody-knows}}]}}
prices:
  - {{provider: studio, upstream_model: draws, from: 2026-01-01, variant: 256x256, image: 0.016}}
  - {{provider: studio, upstream_model: draws, from: 2026-01-01, variant: 1024x1024/hd, image: 0.08}}
  - {{provider: studio, upstream_model: draws, from: 2026-01-01, image: 0.02}}
  - {{provider: studio, upstream_model: tokens, from: 2026-01-01, input: 5, output: 40}}
  - {{provider: studio, upstream_model: says, from: 2026-01-01, character: 0.000015}}
  - {{provider: studio, upstream_model: hears, from: 2026-01-01, second: 0.0001}}
  - {{provider: absent, upstream_model: hears, from: 2026-01-01, second: 0.0001}}
"""


@pytest.fixture(scope="session")
def media_upstream() -> Iterator[MediaUpstream]:
    upstream = MediaUpstream().start()
    yield upstream
    upstream.stop()


@pytest.fixture
def studio(media_upstream: MediaUpstream) -> MediaUpstream:
    media_upstream.reset()
    return media_upstream


@pytest.fixture(scope="session")
def running(gateway: Gateway, media_upstream: MediaUpstream) -> Gateway:
    gateway.apply(ROUTES.format(url=media_upstream.url))
    return gateway
