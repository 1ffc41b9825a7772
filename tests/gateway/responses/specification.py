"""OpenAI's specification and the stricter one of Open Responses, where they lie beside this checkout."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.conformance import shared

needed = pytest.mark.skipif(not shared.PRESENT, reason=shared.ABSENT)
STRICT = shared.CONFORMANCE / "spec" / "openresponses-2026-04-24.json"


@cache
def _spec(path: str) -> Any:
    return shared.module(shared.CONFORMANCE / "speccheck.py").Spec(path)


def openai(schema: str, body: Any) -> list[str]:
    return list(_spec(str(shared.SPECIFICATION)).errors(schema, body))


def strict(schema: str, body: Any) -> list[str]:
    return list(_spec(str(STRICT)).errors(schema, body))
