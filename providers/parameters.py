"""What becomes of a body's parameters on the way to an upstream that does not know all of them. Pure.

An adapter has a rule for each parameter that its format knows; a provider's quirk ``parameters`` goes before it:
``{"seed": "random_seed", "top_k": true, "logit_bias": false}`` renames, sends and withholds;
``{"grammar": "structured_outputs.grammar"}`` sends within an object, ``{"*": false}`` withholds all that it does not
name. What has no rule is left out as its kind says:

* what changes nothing about the answer's text (``user``, ``store`` …) is dropped,
* what shapes it (``top_k``, ``mirostat`` …) is dropped or refused, as the route says (``on_unsupported``),
* what the caller's program depends on (``n``, ``tools``, ``grammar`` …) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from providers.errors import RequestRejected


class Rule(NamedTuple):
    """``name`` is what the format calls it; None where the adapter says it in words of its own."""

    name: str | None = None


class Kind(Enum):
    """What is lost with a parameter that an upstream does not know."""

    HARMLESS = "dropped"
    SHAPING = "dropped or refused"
    BINDING = "refused"


# said in the adapter's own words: another shape, another place, several parameters at once
TRANSLATED = Rule()

# What every format says in its own way, if at all: no rules for these.
STRUCTURE: frozenset[str] = frozenset(
    {"model", "messages", "prompt", "input", "stream", "stream_options", "query", "documents", "file", "image",
     "images", "mask"}
)  # fmt: skip
# What a caller says to the gateway, never to the model.
OWN: frozenset[str] = frozenset({"caching", "cache"})

_BINDING = (
    "n", "best_of", "logprobs", "top_logprobs", "tools", "tool_choice", "functions", "function_call", "response_format",
    "modalities", "audio", "moderation", "echo", "suffix", "logit_bias", "logit_bias_type", "grammar",
    "grammar_json_functions", "json_schema", "structured_outputs", "min_tokens", "ignore_eos", "stop", "stop_token_ids",
    "max_tokens", "max_completion_tokens", "n_predict", "n_probs", "prompt_logprobs", "dimensions",
    "web_search_options", "top_n", "return_documents", "voice", "stream_format", "translate",
    "timestamp_granularities", "include",
)  # fmt: skip
_HARMLESS = (
    "user", "safety_identifier", "store", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "parallel_tool_calls", "prediction", "encoding_format", "cache_prompt", "id_slot",
    "backend", "model_base_name", "partial_images", "known_speaker_names", "known_speaker_references",
)  # fmt: skip
_SHAPING = (
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "reasoning_effort", "verbosity", "top_k",
    "min_p", "top_a", "typical_p", "tfz", "tfs_z", "repeat_penalty", "repetition_penalty", "repeat_last_n",
    "penalize_newline", "mirostat", "mirostat_mode", "mirostat_tau", "mirostat_eta", "samplers", "dry_multiplier",
    "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers", "xtc_probability",
    "xtc_threshold", "lora", "n_keep", "batch", "negative_prompt", "negative_prompt_scale", "rope_freq_base",
    "rope_freq_scale", "tokenizer", "chat_template_kwargs", "thinking", "max_tokens_per_doc",
    "size", "quality", "style", "background", "output_format", "output_compression",
    "input_fidelity", "step", "clip_skip", "mode", "files", "ref_images", "instructions", "speed", "language",
    "languages", "keywords", "chunking_strategy", "sample_rate",
)  # fmt: skip
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_BINDING, Kind.BINDING),
    **dict.fromkeys(_HARMLESS, Kind.HARMLESS),
    **dict.fromkeys(_SHAPING, Kind.SHAPING),
}
# Saying these is saying nothing.
DEFAULTS: Mapping[str, Any] = {
    "n": 1, "best_of": 1, "logprobs": False, "top_logprobs": 0, "echo": False, "frequency_penalty": 0,
    "presence_penalty": 0, "parallel_tool_calls": True, "store": False, "stream": False, "logit_bias": {},
    "modalities": ["text"], "response_format": {"type": "text"}, "service_tier": "auto", "ignore_eos": False,
    "min_tokens": 0, "mirostat": 0, "mirostat_mode": 0, "tfz": 1, "tfs_z": 1, "typical_p": 1, "repeat_penalty": 1,
    "repetition_penalty": 1, "top_k": 0, "min_p": 0, "top_a": 0, "repeat_last_n": 0, "n_keep": 0, "n_probs": 0,
    "n_predict": -1, "dry_multiplier": 0, "xtc_probability": 0, "logit_bias_type": "input_ids", "suffix": "",
    "tools": [], "functions": [], "stop": [], "size": "auto", "quality": "auto", "background": "auto",
    "moderation": "auto", "output_format": "png", "output_compression": 100, "partial_images": 0,
    "stream_format": "audio", "speed": 1, "translate": False,
}  # fmt: skip
# LocalAI's clients send the zero of everything that they leave unset, where zero means nothing or makes no sense.
ZERO_IS_UNSET: frozenset[str] = frozenset(
    {
        "typical_p", "tfz", "tfs_z", "repeat_penalty", "repetition_penalty", "mirostat_tau", "mirostat_eta",
        "batch", "n_predict", "negative_prompt", "negative_prompt_scale", "rope_freq_base",
        "rope_freq_scale", "grammar", "grammar_json_functions", "tokenizer", "backend", "model_base_name",
        "step", "clip_skip", "mode", "files", "ref_images", "sample_rate",
    }
)  # fmt: skip


class Fitted(NamedTuple):
    """The ``body`` under the format's names, and what was ``dropped`` that the caller did say."""

    body: dict[str, Any]
    dropped: tuple[str, ...]


def fit(
    body: Mapping[str, Any],
    rules: Mapping[str, Rule] | None,
    quirks: Mapping[str, Any],
    *,
    refuses: bool = False,
) -> Fitted:
    """Return what of ``body`` can be said. Raises ``RequestRejected`` with ``unsupported_parameter``.

    ``rules`` None: the format knows all that ``quirks`` do not withhold.
    """
    sent: dict[str, Any] = {}
    within: list[tuple[str, Any]] = []
    dropped = []
    for name, value in body.items():
        if name in ZERO_IS_UNSET and not value:
            continue
        rule = rule_of(name, rules, quirks)
        if rule is None:
            if _is_missed(name, value, refuses):
                dropped.append(name)
        elif rule.name and rule.name != name and "." in rule.name:
            within.append((rule.name, value))
        else:
            sent[rule.name or name] = value
    for path, value in within:
        _put(sent, path, value)
    return Fitted(sent, tuple(dropped))


def _is_missed(name: str, value: Any, refuses: bool) -> bool:
    """Return whether leaving ``name`` out has to be told. Raises ``RequestRejected`` where it may not be left out."""
    if name in OWN or value is None or says_nothing(name, value):
        return False
    if kind_of(name) is Kind.BINDING or (refuses and kind_of(name) is Kind.SHAPING):
        raise unsupported(name)
    return True


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    outer, _, inner = path.partition(".")
    given = body.get(outer)
    body[outer] = {**(given if isinstance(given, dict) else {}), inner: value}


def carried(body: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return what of a fitted body goes to the upstream as it is: all that the adapter has no words of its own for."""
    return {name: value for name, value in body.items() if name not in STRUCTURE and rules.get(name) is not TRANSLATED}


def rule_of(name: str, rules: Mapping[str, Rule] | None, quirks: Mapping[str, Any]) -> Rule | None:
    """Return how ``name`` is said, None where it cannot be."""
    if name in OWN:
        return None
    if name in STRUCTURE:
        return Rule(name)
    said = quirks.get(name)
    if isinstance(said, str) and said:
        return Rule(said)
    if said is False:
        return None
    if rules is None:
        return Rule(name) if said is True or quirks.get("*") is not False else None
    known = rules.get(name)
    return known or (Rule(name) if said is True else None)


def kind_of(name: str) -> Kind:
    """Return what an unknown parameter counts as: nobody knows what depends on it, so the route decides."""
    return KINDS.get(name, Kind.SHAPING)


def says_nothing(name: str, value: Any) -> bool:
    """Whether saying it is saying nothing. False is no 0: completions with ``logprobs: 0`` ask for some."""
    if name not in DEFAULTS:
        return False
    default = DEFAULTS[name]
    return isinstance(value, bool) is isinstance(default, bool) and bool(value == default)


def unsupported(name: str, message: str = "") -> RequestRejected:
    """Return the error for a parameter, or a value of it, that cannot be said to this upstream."""
    return RequestRejected(
        message or f"The model that answers here does not support '{name}'.", code="unsupported_parameter", param=name
    )


def sent(*names: str, **renamed: str) -> dict[str, Rule]:
    """Return rules for parameters that are sent as they are, and for ``{ours: theirs}``."""
    return {name: Rule(name) for name in names} | {ours: Rule(theirs) for ours, theirs in renamed.items()}


def translated(*names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, TRANSLATED)
