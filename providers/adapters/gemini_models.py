"""How Gemini's generations of models differ: how they are told to think, and what they do not know. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.errors import RequestRejected

# "gemini-2.5-flash", "gemini-live-2.5-flash-preview", "gemini-3-pro-preview"; a date as in "gemini-exp-1206" is none.
NAME = re.compile(r"gemini-(?:[a-z-]+-)?(\d{1,2})(?:\.(\d+))?(?!\d)")
NEWEST = (99, 0)
WITHOUT_THOUGHT = (0, 0)

# Google's own table, of its OpenAI-compatible endpoint.
BUDGETS: Mapping[str, int] = {
    "none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576,
}  # fmt: skip
# Nothing is above HIGH on any model; LOW is the least that all know.
LEVELS: Mapping[str, str] = {
    "none": "LOW", "minimal": "LOW", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH",
}  # fmt: skip
KNOWS_MINIMAL = re.compile(r"gemini-3(\.[1-5])?-flash")
# Gemini 2.5 Pro cannot stop thinking.
LEAST_OF_PRO = 128
AUTOMATIC = -1


def generation(model: str) -> tuple[int, int]:
    """Return the model's version; a name that tells none, as "gemini-flash-latest", is taken for the newest."""
    found = NAME.search(model)
    if found:
        return int(found[1]), int(found[2] or 0)
    return WITHOUT_THOUGHT if "gemma-3" in model else NEWEST


def wants_signatures(model: str) -> bool:
    """Whether a call that the model made comes back to it only with the signature it was made with."""
    return generation(model) >= (3, 0)


def unknown(model: str) -> tuple[str, ...]:
    """Return the parameters of the format that this model refuses."""
    version = generation(model)
    if version < (2, 5):
        return ("reasoning_effort", "thinking")
    return ("frequency_penalty", "presence_penalty") if version < (3, 0) else ()


def thinking(body: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """Return the thinkingConfig that ``thinking`` or ``reasoning_effort`` asks for: a level or a budget, never both.

    Raises ``RequestRejected`` for what is neither an effort nor a budget.
    """
    asked, effort = body.get("thinking"), body.get("reasoning_effort")
    if asked is not None:
        return _of_budget(_budget(asked), model)
    if effort is None:
        return None
    if effort not in BUDGETS:
        raise RequestRejected(f"'reasoning_effort' must be one of {', '.join(BUDGETS)}.", param="reasoning_effort")
    return _of_effort(effort, model) if wants_signatures(model) else _of_budget(BUDGETS[effort], model)


def _budget(asked: Any) -> int:
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind == "disabled":
        return 0
    budget = asked.get("budget_tokens", AUTOMATIC) if kind in ("enabled", "adaptive") else None
    if type(budget) is not int or budget < AUTOMATIC:
        raise RequestRejected(
            "'thinking' is an object with the type enabled, adaptive or disabled; 'budget_tokens' is an integer.",
            param="thinking",
        )
    return budget


def _of_budget(budget: int, model: str) -> dict[str, Any]:
    if wants_signatures(model):
        return {"includeThoughts": True} if budget == AUTOMATIC else _of_effort(_effort(budget), model)
    if budget == 0 and "pro" in model:
        budget = LEAST_OF_PRO
    return {"thinkingBudget": budget, "includeThoughts": budget != 0}


def _effort(budget: int) -> str:
    return next((effort for effort, most in BUDGETS.items() if budget <= most), "max")


def _of_effort(effort: str, model: str) -> dict[str, Any]:
    is_least = effort in ("none", "minimal") and KNOWS_MINIMAL.search(model)
    return {"thinkingLevel": "MINIMAL" if is_least else LEVELS[effort], "includeThoughts": effort != "none"}
