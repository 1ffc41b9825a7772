"""A model that a snippet can name: one that exists and that the key may use."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from providers.models import ModelRoute

FAMILY = "*"


def model(*restrictions: Sequence[str]) -> str:
    """Return the public name of a living route, the default first, that each non-empty list of globs allows."""
    routes = ModelRoute.objects.filter(is_active=True).order_by("-default", "model").values_list("model", flat=True)
    for name in routes:
        if FAMILY not in name and all(_is_allowed(name, globs) for globs in restrictions if globs):
            return name
    return ""


def _is_allowed(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
