"""Which of the vocabularies that ship with the package a model reads by. Pure."""

from __future__ import annotations

from collections.abc import Mapping

# by the beginning of the model's name; the first that fits
VOCABULARIES: Mapping[str, str] = {
    **dict.fromkeys(("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "chatgpt-4o", "o1", "o3", "o4"), "o200k_base"),
    **dict.fromkeys(
        ("gpt-4", "gpt-3.5", "gpt-35", "text-embedding-3", "text-embedding-ada", "davinci-002", "babbage-002"),
        "cl100k_base",
    ),
}
DEMO = "o200k_base"


def vocabulary_of(adapter: str, upstream_model: str) -> str | None:
    """Return the name of the model's vocabulary, None where that is unknown."""
    if adapter == "demo":
        return DEMO
    return next((each for prefix, each in VOCABULARIES.items() if upstream_model.startswith(prefix)), None)
