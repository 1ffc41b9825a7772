"""The demo model's wire format: OpenAI's, with the provider's options beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from providers.adapters import openai, rankings
from providers.adapters.formats import also
from providers.adapters.shapes import Request
from providers.operations import RESPONSES
from providers.targets import Target

OPTIONS_HEADER = "tollgate-demo-options"


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    request = OPENAI.encode(operation, body, target)
    options = msgspec.json.encode(dict(target.provider.options)).decode()
    return request._replace(headers=((OPTIONS_HEADER, options),))


OPENAI = also(openai.ADAPTER, {"rerank": rankings.jina()})
OPERATIONS = tuple(name for name in OPENAI.operations if name != RESPONSES)
ADAPTER = replace(OPENAI, operations=OPERATIONS, encode=encode, base_url="http://demo")
