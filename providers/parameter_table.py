"""What becomes of each parameter at each wire format: docs/parameters.md, which ``make parameters`` writes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from providers.adapters import ADAPTERS
from providers.adapters.hosts import HOSTS
from providers.adapters.local import ENGINES
from providers.adapters.shapes import Adapter
from providers.parameters import STRUCTURE, TRANSLATED, Kind, kind_of, rule_of
from providers.quirks import SAID_BY

SAMPLING = (
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop", "n", "max_tokens",
    "logit_bias", "user",
)  # fmt: skip
# What OpenAI's specification has, operation by operation.
OPENAI: Mapping[str, tuple[str, ...]] = {
    "chat.completions": (
        "model", "messages", "stream", "stream_options", *SAMPLING, "max_completion_tokens", "logprobs", "top_logprobs",
        "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
        "reasoning_effort", "verbosity", "modalities", "audio", "prediction", "web_search_options", "moderation",
        "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention",
    ),
    "completions": (
        "model", "prompt", "stream", "stream_options", *SAMPLING, "best_of", "echo", "suffix", "logprobs",
    ),
    "embeddings": ("model", "input", "encoding_format", "dimensions", "user"),
    "images.generations": (
        "model", "prompt", "n", "size", "quality", "style", "response_format", "output_format", "output_compression",
        "background", "moderation", "stream", "partial_images", "user",
    ),
    "audio.speech": ("model", "input", "voice", "instructions", "response_format", "speed", "stream_format"),
    "audio.transcriptions": (
        "model", "file", "language", "response_format", "temperature", "timestamp_granularities", "include", "stream",
        "chunking_strategy", "known_speaker_names", "known_speaker_references",
    ),
}  # fmt: skip
# What LocalAI, llama-cpp-python, Jan, llama.cpp, Ollama and vLLM have beside it.
SEEDS = (
    "top_k", "min_p", "top_a", "typical_p", "tfz", "tfs_z", "repeat_penalty", "repetition_penalty", "repeat_last_n",
    "penalize_newline", "mirostat", "mirostat_mode", "mirostat_tau", "mirostat_eta", "min_tokens", "ignore_eos",
    "n_keep", "batch", "n_predict", "grammar", "grammar_json_functions", "json_schema", "logit_bias_type",
    "negative_prompt", "negative_prompt_scale", "rope_freq_base", "rope_freq_scale", "tokenizer", "backend",
    "model_base_name", "chat_template_kwargs", "cache_prompt", "id_slot", "samplers", "dry_multiplier", "dry_base",
    "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers", "xtc_probability", "xtc_threshold", "lora",
    "n_probs",
)  # fmt: skip
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "chat.completions": (*OPENAI["chat.completions"], *SEEDS, "echo", "thinking"),
    "completions": (*OPENAI["completions"], *SEEDS),
    "embeddings": OPENAI["embeddings"],
    "moderations": ("model", "input", "metadata"),
    "images.generations": (
        *OPENAI["images.generations"],
        "negative_prompt",
        "step",
        "clip_skip",
        "mode",
        "files",
        "ref_images",
        "backend",
    ),
    "audio.speech": (*OPENAI["audio.speech"], "language", "sample_rate", "backend"),
    "audio.transcriptions": (*OPENAI["audio.transcriptions"], "backend"),
    # Cohere's, which whoever ranks has taken up: OpenAI has none.
    "rerank": ("model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc"),
}
# Inside the gateway: it takes everything, and no model reads it.
LEFT_OUT = frozenset({"demo", *ENGINES})
TOOLS = {"functions": "tools", "function_call": "tool_choice"}


class Done(NamedTuple):
    quirk: str
    value: object


# What the gateway does itself where a provider's quirk says that it has to.
DONE_HERE = {
    "encoding_format": Done("encoding_format", "floats_only"),
    "stream_options": Done("stream_usage", False),
}


class Fate(Enum):
    SENT = "✓"
    TRANSLATED = "≈"
    DROPPED = "–"
    SHAPING = "– / ✗"
    REFUSED = "✗"


KINDS = {Kind.HARMLESS: Fate.DROPPED, Kind.SHAPING: Fate.SHAPING, Kind.BINDING: Fate.REFUSED}


class Outcome(NamedTuple):
    """``name`` is under which the upstream gets it, where it is sent."""

    fate: Fate
    name: str = ""


def outcome(adapter: Adapter, operation: str, name: str) -> Outcome:
    """Return what becomes of a parameter that a caller says, with a value that is not its default."""
    rules, quirks = adapter.parameters.get(operation), adapter.quirks
    translates = rules is not None or quirks.get("functions") == "translate"
    is_function = name in TOOLS and translates
    rule = rule_of(TOOLS[name] if is_function else name, rules, quirks.get("parameters", {}))
    if name in DONE_HERE and quirks.get(DONE_HERE[name].quirk) == DONE_HERE[name].value:
        return Outcome(Fate.TRANSLATED)
    if rule is None:
        return Outcome(KINDS[kind_of(name)])
    in_own_words = rule is TRANSLATED or (rules is not None and name in STRUCTURE)
    if is_function or in_own_words or _is_said_otherwise(adapter, operation, name):
        return Outcome(Fate.TRANSLATED)
    return Outcome(Fate.SENT, rule.name or name)


def formats(operation: str) -> dict[str, Adapter]:
    return {name: each for name, each in ADAPTERS.items() if operation in each.operations and name not in LEFT_OUT}


def page() -> str:
    """Return docs/parameters.md."""
    return HEAD + "".join(line + "\n" for line in _sections())


def _is_said_otherwise(adapter: Adapter, operation: str, name: str) -> bool:
    quirks = adapter.quirks.keys() & SAID_BY.keys()
    about = {"chat.completions": quirks - {"images"}, "images.generations": quirks & {"images"}}
    return any(name in SAID_BY[quirk] for quirk in about.get(operation, ()))


def _sections() -> Iterator[str]:
    for operation, names in PARAMETERS.items():
        known = formats(operation)
        yield f"\n## {operation}\n"
        yield from _table({name: each for name, each in known.items() if name not in HOSTS}, operation, names)
        if hosts := {name: each for name, each in known.items() if name in HOSTS}:
            yield "\nServices that speak OpenAI's format:\n"
            yield from _table(hosts, operation, names)


def _table(adapters: Mapping[str, Adapter], operation: str, names: tuple[str, ...]) -> Iterator[str]:
    yield f"| parameter | {' | '.join(adapters)} |"
    yield f"|---|{'---|' * len(adapters)}"
    for name in names:
        cells = (_cell(name, outcome(each, operation, name)) for each in adapters.values())
        yield f"| `{name}` | {' | '.join(cells)} |"


def _cell(name: str, what: Outcome) -> str:
    return f"`{what.name}`" if what.name not in ("", name) else what.fate.value


HEAD = """# Parameters

<!-- Written by `make parameters` from the adapters; a test holds it against what they do. -->

What becomes, at each adapter, of each parameter that OpenAI's API has, or that LocalAI, llama-cpp-python, Jan,
llama.cpp, Ollama and vLLM have beside it; of rankings, that Cohere's has:

| | |
|---|---|
| ✓ | sent as it is |
| `name` | sent under this name; a dot leads into an object |
| ≈ | said in the format's own words, or done here |
| – | left out, as nothing of the answer depends on it |
| – / ✗ | left out, or refused where the route says `on_unsupported: refuse` |
| ✗ | refused (400, `unsupported_parameter`), as the caller's program depends on it |

What was left out is named in the header `x-tollgate-dropped-params`. A default value, such as `n: 1`, is never missed;
nor is a zero that LocalAI's clients send for what they leave unset. The value of a parameter may be refused where its
name is not, and some models know less than their format: both are refused, or left out, under the parameter's name.

Not in the table: `openai` sends every other parameter too, and so do the services that speak its format. `caching` and
`cache` are for the gateway and are sent to nobody. A provider's quirk `parameters` goes before all of this:
[configuration.md](configuration.md).
"""

if __name__ == "__main__":
    print(page(), end="")
