"""What the Claude models take, wherever they are served. Data, and pure: models newer than the table are as the newest.

A provider's quirk ``capabilities`` goes over the table, ``{"claude-opus-9": {"forces_tools": true}}``; its quirk
``parameters`` goes before what is said here of parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from providers.claude_schema import schema as schema
from providers.errors import RequestRejected

# from the least to the most; what a model lacks is said with the next one below
EFFORTS = ("low", "medium", "high", "xhigh", "max")


class Capabilities(NamedTuple):
    """``max_output`` in tokens. ``thinking`` is "" (none), "budget" (so many tokens), "adaptive" (an effort) or
    "either".

    ``sampling`` is "any", "one" (temperature or top_p) or "" (neither may be said). ``has_schema``: an answer can be
    made to fit a JSON schema. ``forces_tools``: a call may be demanded. ``silences``: thinking can be switched off.
    ``efforts`` are those it knows.
    """

    max_output: int = 128_000
    thinking: str = "adaptive"
    sampling: str = ""
    has_schema: bool = True
    forces_tools: bool = False
    silences: bool = False
    efforts: Sequence[str] = EFFORTS

    @property
    def adapts(self) -> bool:
        return self.thinking in ("adaptive", "either")

    @property
    def budgets(self) -> bool:
        return self.thinking in ("budget", "either")


NEWEST = Capabilities()
_WITHOUT_THOUGHT = Capabilities(4_096, "", "any", has_schema=False, forces_tools=True)
_BUDGETED = Capabilities(64_000, "budget", "any", has_schema=False, forces_tools=True, silences=True)
_BUDGETED_SCHEMA = _BUDGETED._replace(sampling="one", has_schema=True)
_EITHER = Capabilities(
    thinking="either", sampling="one", forces_tools=True, silences=True, efforts=("low", "medium", "high", "max")
)
_ADAPTIVE = Capabilities(forces_tools=True, silences=True)
# The beginning of a model's name without its date; the longest that fits decides. One that ends with a dash is of the
# versions of its family that have no row of their own.
MODELS: Mapping[str, Capabilities] = {
    "claude-2": _WITHOUT_THOUGHT,
    "claude-v2": _WITHOUT_THOUGHT,
    "claude-instant": _WITHOUT_THOUGHT,
    "claude-3": _WITHOUT_THOUGHT,
    "claude-3-5": _WITHOUT_THOUGHT._replace(max_output=8_192),
    "claude-3-7": _BUDGETED,
    "claude-sonnet-4": _BUDGETED,
    "claude-sonnet-4-0": _BUDGETED,
    "claude-sonnet-4-": _ADAPTIVE,
    "claude-opus-4": _BUDGETED._replace(max_output=32_000),
    "claude-opus-4-0": _BUDGETED._replace(max_output=32_000),
    "claude-opus-4-": _ADAPTIVE,
    "claude-opus-4-1": _BUDGETED_SCHEMA._replace(max_output=32_000),
    "claude-haiku-4-5": _BUDGETED_SCHEMA,
    "claude-sonnet-4-5": _BUDGETED_SCHEMA,
    "claude-opus-4-5": _BUDGETED_SCHEMA,
    "claude-sonnet-4-6": _EITHER,
    "claude-opus-4-6": _EITHER,
    "claude-opus-5": _ADAPTIVE,
    "claude-opus-5-": NEWEST,
    "claude-sonnet-5": _ADAPTIVE,
    "claude-sonnet-5-": NEWEST,
    "claude-haiku-5": _ADAPTIVE,
    "claude-fable-5": _ADAPTIVE._replace(silences=False),
    "claude-fable-5-": NEWEST,
    "claude-mythos": _ADAPTIVE._replace(silences=False),
}
# Other makers' models behind the same format: nothing is known of them, and nothing kept from them.
OTHERS = Capabilities(8_192, "budget", "any", has_schema=False, forces_tools=True, silences=True)
DATE = re.compile(r"[-@]20\d{6}")
LEAST_BUDGET = 1_024
BUDGETS: Mapping[str, int] = {
    "minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 32_768,
}  # fmt: skip
THINKING = ("reasoning_effort", "thinking")
# What saying nothing says: models that refuse these parameters do not miss it.
NEUTRAL: Mapping[str, float] = {"temperature": 1, "top_p": 1, "top_k": 0}


def capabilities(model: str, quirks: Mapping[str, Any] | None = None) -> Capabilities:
    """Return what ``model`` takes; its name may have a host's prefix, as "us.anthropic.claude-…"."""
    name = model[max(0, model.lower().find("claude")) :]
    row = _longest(MODELS, DATE.split(name.lower().replace(".", "-"))[0])
    known = MODELS.get(row) or (NEWEST if is_claude(model) else OTHERS)
    own = (quirks or {}).get("capabilities") or {}
    said: dict[str, Any] = own.get(_longest(own, model) or _longest(own, name)) or {}
    return known._replace(**said)


def is_claude(model: str) -> bool:
    return "claude" in model.lower()


def are_capabilities(value: Any) -> bool:
    """Whether ``value`` may stand in the quirk for a model: names and kinds of ``Capabilities``."""
    return isinstance(value, Mapping) and all(name in KINDS and KINDS[name](each) for name, each in value.items())


KINDS: Mapping[str, Any] = {
    "max_output": lambda value: type(value) is int and value > 0,
    "thinking": lambda value: value in ("", "budget", "adaptive", "either"),
    "sampling": lambda value: value in ("", "one", "any"),
    "has_schema": lambda value: isinstance(value, bool),
    "forces_tools": lambda value: isinstance(value, bool),
    "silences": lambda value: isinstance(value, bool),
    "efforts": lambda value: isinstance(value, list) and bool(value) and all(each in EFFORTS for each in value),
}


def unknown(body: Mapping[str, Any], able: Capabilities, max_tokens: int) -> tuple[str, ...]:
    """Return the parameters of ``body`` that the model refuses, by themselves or beside what else stands there."""
    wanted = thinking(body.get("reasoning_effort"), body.get("thinking"), able, max_tokens)
    unthinkable: tuple[str, ...] = ()
    if _asks_for_thought(body) and (wanted == Thinking() or (wanted.is_budgeted and not _may_budget(body, able))):
        unthinkable, wanted = THINKING, Thinking()
    said = [name for name in NEUTRAL if body.get(name) not in (None, NEUTRAL[name])]
    if not able.sampling or wanted.is_on:
        return (*unthinkable, *said)
    return (*unthinkable, *(("top_p",) if able.sampling == "one" and {"temperature", "top_p"} <= set(said) else ()))


class Thinking(NamedTuple):
    """``thinking`` and ``effort`` as the request says them; None says nothing."""

    thinking: Mapping[str, Any] | None = None
    effort: str | None = None

    @property
    def is_budgeted(self) -> bool:
        """Whether so many tokens are to be thought: then nothing else may steer the model."""
        return bool(self._kind == "enabled")

    @property
    def is_on(self) -> bool:
        return self._kind in ("enabled", "adaptive")

    @property
    def _kind(self) -> Any:
        return (self.thinking or {}).get("type")


def thinking(effort: Any, given: Any, able: Capabilities, max_tokens: int) -> Thinking:
    """Return how much the model is to think: as the caller's ``thinking`` says, else as ``reasoning_effort`` does.

    Nothing at all where the model cannot, or not within ``max_tokens``. Raises ``RequestRejected``.
    """
    if effort is not None and effort != "none" and effort not in BUDGETS:
        raise RequestRejected(
            f"'reasoning_effort' must be one of none, {', '.join(BUDGETS)}.", param="reasoning_effort"
        )
    if not able.thinking:
        return Thinking()
    if given is not None:
        return _as_given(given, effort, able, max_tokens)
    if effort is None:
        return Thinking()
    if effort == "none":
        return _silenced(able)
    if able.adapts:
        return Thinking({"type": "adaptive"}, _effort(effort, able))
    return _budgeted(BUDGETS[effort], max_tokens)


def thoughts(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return those of a message's thinking blocks that Claude takes back: with its signature, and nothing added."""
    return [
        {name: block[name] for name in ("type", "thinking", "signature", "data") if name in block}
        for block in blocks
        if block.get("type") in PROOFS and block.get(PROOFS[block["type"]])
    ]


PROOFS: Mapping[str, str] = {"thinking": "signature", "redacted_thinking": "data"}


def _as_given(given: Any, effort: Any, able: Capabilities, max_tokens: int) -> Thinking:
    """Return the caller's ``thinking`` as it is where the model takes it, else what comes nearest to it."""
    kind = given.get("type") if isinstance(given, Mapping) else None
    budget = given.get("budget_tokens", BUDGETS["medium"]) if kind in ("enabled", "adaptive") else 0
    if kind not in ("enabled", "adaptive", "disabled") or type(budget) is not int or budget < 0:
        raise RequestRejected(
            "'thinking' is an object with the type enabled, adaptive or disabled; 'budget_tokens' is an integer.",
            param="thinking",
        )
    if kind == "disabled":
        return _silenced(able)
    if kind == "adaptive" and able.adapts:
        return Thinking(given, _effort(effort, able) if effort else None)
    if kind == "enabled" and able.budgets:
        return Thinking(given) if budget < max_tokens else _budgeted(budget, max_tokens)
    if able.adapts:
        shown = {"display": given["display"]} if "display" in given else {}
        return Thinking({"type": "adaptive", **shown}, _effort(effort or _effort_of(budget), able))
    return _budgeted(budget if effort in (None, "none") else BUDGETS[effort], max_tokens)


def _silenced(able: Capabilities) -> Thinking:
    """Only models that adapt think unasked."""
    if not able.adapts:
        return Thinking()
    return Thinking({"type": "disabled"}) if able.silences else Thinking(effort=able.efforts[0])


def _budgeted(budget: int, max_tokens: int) -> Thinking:
    """Return a budget that leaves a fifth of all for the answer; nothing where that is too little to think."""
    within = min(budget, max_tokens * 4 // 5)
    return Thinking({"type": "enabled", "budget_tokens": within}) if within >= LEAST_BUDGET else Thinking()


def _effort(asked: str, able: Capabilities) -> str:
    below = EFFORTS[: EFFORTS.index(asked) + 1] if asked in EFFORTS else ()
    return next((effort for effort in reversed(below) if effort in able.efforts), able.efforts[0])


def _effort_of(budget: int) -> str:
    return next((effort for effort, most in BUDGETS.items() if budget <= most), "max")


def _asks_for_thought(body: Mapping[str, Any]) -> bool:
    given = body.get("thinking")
    if isinstance(given, Mapping):
        return bool(given.get("type") != "disabled")
    return body.get("reasoning_effort") not in (None, "none")


def _may_budget(body: Mapping[str, Any], able: Capabilities) -> bool:
    """Whether thoughts may be counted: not where a call is demanded, nor where the thoughts before calls were lost."""
    return not forces_call(body) and not _has_lost_thoughts(body["messages"]) and not _needs_tool(body, able)


def forces_call(body: Mapping[str, Any]) -> bool:
    """Whether the caller demands that a tool is called."""
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        choice = choice["allowed_tools"].get("mode")
    return bool(body.get("tools")) and choice not in (None, "auto", "none")


def _needs_tool(body: Mapping[str, Any], able: Capabilities) -> bool:
    format = body.get("response_format")
    return not able.has_schema and isinstance(format, Mapping) and format.get("type") == "json_schema"


def _has_lost_thoughts(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether calls are being answered that came without the thoughts before them, as most clients send them back."""
    calling: Mapping[str, Any] | None = None
    is_answered = False
    for message in messages:
        if message.get("role") == "assistant":
            calling, is_answered = message, False
        is_answered = is_answered or message.get("role") == "tool"
    return is_answered and calling is not None and not thoughts(calling.get("thinking_blocks") or ())


def _longest(prefixes: Iterable[str], name: str) -> str:
    return max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default="")
