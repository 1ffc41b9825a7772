"""docs/configuration.md names every setting and every key, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.configuration.entry import Entry
from gateway.configuration.schema import SHAPES

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs/configuration.md").read_text()
ENVIRONMENT, FILE = DOCS.split("## tollgate.yaml")
SOURCES = (ROOT / "gateway/settings.py", ROOT / "gateway/startup.py")


def in_first_column(text: str) -> set[str]:
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall("`([A-Za-z0-9_]+)`", cell)}


def section(name: str) -> str:
    return re.split(r"^### ", FILE.split(f"### {name}\n")[1], flags=re.MULTILINE)[0]


def keys_of(shape: type[Entry]) -> set[str]:
    return {field.alias or name for name, field in shape.model_fields.items()}


def test_every_environment_variable_is_described_and_no_other():
    read = {name for path in SOURCES for name in re.findall(r'environ\.get\("(\w+)"', path.read_text())}
    assert in_first_column(ENVIRONMENT) == read


@pytest.mark.parametrize("name", sorted(SHAPES[""].model_fields))
def test_every_key_of_a_section_is_described_and_no_other(name):
    keys = keys_of(SHAPES[name])
    if name == "providers":
        keys |= keys_of(SHAPES["providers.options"]) | keys_of(SHAPES["providers.quirks"])
    assert in_first_column(section(name)) == keys


@pytest.mark.parametrize("path", ["routes.targets", "providers.options.timeouts", "settings.alerts", "keys.limits"])
def test_every_key_inside_another_is_described(path):
    parent, _, name = path.rpartition(".")
    row = next(line for line in section(parent.split(".")[0]).splitlines() if line.startswith(f"| `{name}`"))
    assert keys_of(SHAPES[path]) <= set(re.findall("`([a-z_]+)`", row))
