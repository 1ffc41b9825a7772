"""What lies beside the checkout in ``../shared``: read at test time, never copied. Tests skip where it is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
CASSETTES = SHARED / "cassettes"
SPEC = SHARED / "conformance" / "spec" / "openai-openapi-2026-08-21.json"
needs_spec = pytest.mark.skipif(not SPEC.exists(), reason="OpenAI's specification lies in ../shared, which is absent")
needs_cassettes = pytest.mark.skipif(not CASSETTES.exists(), reason="the recordings lie in ../shared, which is absent")


def load(path: Path) -> ModuleType:
    """Return the script at ``path`` as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
