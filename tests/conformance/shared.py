"""Where the recordings and the specification lie, and how the modules there are loaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

SHARED = Path(__file__).resolve().parents[3] / "shared"
CASSETTES = SHARED / "cassettes"
CONFORMANCE = SHARED / "conformance"
SPECIFICATION = CONFORMANCE / "spec" / "openai-openapi-2026-08-21.json"

PRESENT = CASSETTES.is_dir() and CONFORMANCE.is_dir()
ABSENT = "the folder ../shared, with the recordings and the specification, is not beside this checkout"


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"shared_{path.stem}", path)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
