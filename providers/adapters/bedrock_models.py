"""What the models on Bedrock take beyond what Converse says for all of them. Data, and pure.

A field that a model does not know is refused over there: one that is in no table here gets none. What is said of Claude
stands in ``providers.claude``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Reasoning(NamedTuple):
    """Where a family's effort stands among the fields of its own, and its word for each of ours.

    ``beside`` is what stands there with it.
    """

    path: tuple[str, ...]
    words: Mapping[str, str]
    beside: Mapping[str, str] = {}


_THREE = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
# of the other words these families know, none makes them think
_ONE = {"none": "none", **dict.fromkeys(_THREE, "high")}
# By the beginning of the model's name; the longest that fits.
REASONING: Mapping[str, Reasoning] = {
    "openai.": Reasoning(("reasoning", "effort"), {"none": "none", **{word: word for word in _THREE}}),
    "openai.gpt-oss": Reasoning(("reasoning_effort",), _THREE),
    "deepseek.v3": Reasoning(("reasoning_effort",), _ONE),
    "zai.glm": Reasoning(("reasoning_effort",), _ONE),
    "qwen.qwen3": Reasoning(("reasoning_config",), {**_ONE, "minimal": "low", "low": "low"}),
    "xai.grok": Reasoning(("reasoning", "effort"), {**_THREE, "none": "low", "xhigh": "xhigh", "max": "xhigh"}),
    # its "high" takes neither a maximum of tokens nor anything else that steers it
    "amazon.nova-2": Reasoning(
        ("reasoningConfig", "maxReasoningEffort"),
        {**_THREE, "high": "medium", "xhigh": "medium", "max": "medium"},
        {"type": "enabled"},
    ),
}
TOP_K: Mapping[str, tuple[str, ...]] = {"amazon.nova": ("inferenceConfig", "topK"), "anthropic.": ("top_k",)}
# those that refuse temperature and top_p
WITHOUT_SAMPLING = ("xai.grok", "openai.")
WITH_SAMPLING = ("openai.gpt-oss",)
# those whose answer cannot be made to fit a schema, and who can be made to call a tool with it
SCHEMA_BY_TOOL = ("amazon.nova",)
# embedding models whose vectors have one length
OF_ONE_LENGTH = ("amazon.titan-embed-text-v1", "amazon.titan-embed-g1", "cohere.embed-english",
                 "cohere.embed-multilingual")  # fmt: skip
MAKERS = ("amazon.", "anthropic.", "cohere.", "deepseek.", "openai.", "qwen.", "xai.", "zai.")


def unknown(model: str) -> tuple[str, ...]:
    """Return the parameters that ``model``, which is no Claude, refuses."""
    name = _name(model)
    samples = not name.startswith(WITHOUT_SAMPLING) or name.startswith(WITH_SAMPLING)
    return (
        "thinking",
        *(() if _longest(REASONING, name) else ("reasoning_effort",)),
        *(() if _longest(TOP_K, name) else ("top_k",)),
        *(() if samples else ("temperature", "top_p")),
        *(("dimensions",) if name.startswith(OF_ONE_LENGTH) else ()),
    )


def effort(model: str, asked: Any) -> dict[str, Any]:
    """Return an effort as one of the fields that are the model's own; nothing where it has no word for it."""
    known = REASONING.get(_longest(REASONING, _name(model)))
    word = known.words.get(str(asked)) if known else None
    return _within(known.path, word, known.beside) if known and word else {}


def top_k(model: str, value: int) -> dict[str, Any]:
    """Return ``top_k`` as one of the fields that are the model's own."""
    return _within(TOP_K.get(_longest(TOP_K, _name(model)), ("top_k",)), value)


def answers_by_tool(model: str) -> bool:
    return _name(model).startswith(SCHEMA_BY_TOOL)


def _name(model: str) -> str:
    """Return the model's name without what may stand before it: a region, or a profile's ARN."""
    places = [at for maker in MAKERS if (at := model.find(maker)) >= 0]
    return model[min(places) :] if places else model


def _within(path: tuple[str, ...], value: Any, beside: Mapping[str, str] = {}) -> dict[str, Any]:
    *outer, inner = path
    said = {**beside, inner: value}
    return {outer[0]: said} if outer else said


def _longest(prefixes: Mapping[str, Any], name: str) -> str:
    return max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default="")
