"""What is wrong with a mapping of figures that somebody wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Ranges = Mapping[str, tuple[float, float]]


def problems(said: Any, ranges: Ranges, switches: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield what ``said`` has beside figures within ``ranges``, by name, and ``switches`` that are true or false."""
    if not isinstance(said, Mapping):
        yield "It must be a mapping."
        return
    for name, value in said.items():
        if name in switches:
            if not isinstance(value, bool):
                yield f"{name} must be true or false."
        elif name not in ranges:
            yield f"{name} is none of {', '.join((*switches, *ranges))}."
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{name} must be a number."
        elif not ranges[name][0] <= value <= ranges[name][1]:
            yield f"{name} must be from {ranges[name][0]} to {ranges[name][1]}."
