"""docs/parameters.md says what the adapters do: each of its rows is driven through every format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from providers.adapters import ADAPTERS
from providers.adapters.shapes import Request
from providers.errors import RequestRejected
from providers.exchange import Exchange
from providers.parameter_table import PARAMETERS, Fate, formats, outcome, page
from providers.parameters import DEFAULTS, KINDS, STRUCTURE
from tests.providers.samples import BODIES, target

DOCS = Path(__file__).parents[2] / "docs/parameters.md"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}
TOOL = {"type": "function", "function": FUNCTION}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
# A value for each that is no default; most numbers will do with 3.
VALUES: Mapping[str, Any] = {
    "stop": ["END"], "temperature": 0.5, "top_p": 0.5, "frequency_penalty": 0.5, "presence_penalty": 0.5, "user": "u",
    "logit_bias": {"5": 1}, "logprobs": True, "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False,
    "functions": [FUNCTION], "function_call": {"name": "f"}, "reasoning_effort": "low", "verbosity": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}, "metadata": {"a": "b"},
    "prediction": {"type": "content", "content": "x"}, "web_search_options": {"search_context_size": "low"},
    "moderation": {"model": "omni-moderation-latest"}, "store": True, "service_tier": "flex", "min_p": 0.1,
    "safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h", "echo": True, "suffix": "!", "encoding_format": "base64", "ignore_eos": True,
    "grammar": 'root ::= "a"', "grammar_json_functions": SCHEMA, "json_schema": SCHEMA, "logit_bias_type": "tokens",
    "negative_prompt": "bad", "tokenizer": "t", "backend": "llama", "model_base_name": "b",
    "chat_template_kwargs": {"a": 1}, "cache_prompt": True, "samplers": ["top_k"], "dry_sequence_breakers": ["x"],
    "lora": [{"id": 0, "scale": 0.5}], "thinking": {"type": "enabled", "budget_tokens": 2048}, "mirostat": 2,
    "mirostat_mode": 2, "size": "512x512", "quality": "hd", "style": "vivid", "output_format": "webp",
    "background": "opaque", "files": ["a"], "ref_images": ["a"], "voice": "alloy", "instructions": "slowly",
    "stream_format": "sse", "language": "en", "timestamp_granularities": ["word"], "include": ["logprobs"],
    "chunking_strategy": "server_vad", "known_speaker_names": ["A"], "known_speaker_references": ["data:,"],
    "penalize_newline": True, "dimensions": 256, "return_documents": True,
}  # fmt: skip
ANYTHING = 3
# of what means something else in another operation
OF_ONE: Mapping[tuple[str, str], Any] = {
    ("completions", "logprobs"): 2,
    ("images.generations", "response_format"): "b64_json",
    ("images.generations", "moderation"): "low",
    ("audio.speech", "response_format"): "wav",
    ("audio.transcriptions", "response_format"): "verbose_json",
}
# What else a format may be able to say where it cannot say the value above.
ALSO: Mapping[str, tuple[Any, ...]] = {"tool_choice": ("none",), "function_call": ("none",)}
WITH = {
    "tool_choice": "tools", "parallel_tool_calls": "tools", "function_call": "functions", "top_logprobs": "logprobs",
    "modalities": "audio", "audio": "modalities", "mirostat_tau": "mirostat", "mirostat_eta": "mirostat",
}  # fmt: skip
# Done to the answer: the request tells nothing of it.
DONE_HERE = {"encoding_format", "return_documents", "top_n"}
ROWS = [(operation, name) for operation, names in PARAMETERS.items() for name in names if name not in STRUCTURE]


def value_of(operation: str, name: str) -> Any:
    return OF_ONE.get((operation, name), VALUES.get(name, ANYTHING))


def is_said(value: Any, request: Request, place: str) -> bool:
    """Return whether ``value`` stands under ``place``: in a form as words, of a list each by itself."""
    if request.form is None:
        return value in list(standing(msgspec.json.decode(request.body), place))
    words = [text for name, text in request.form.fields if name.removesuffix("[]") == place]
    return words == [str(each) for each in (value if isinstance(value, list) else [value])]


def asked(adapter: str, operation: str, body: dict[str, Any], *, refuses: bool = False) -> tuple[Request, Exchange]:
    exchange = Exchange(operation, body, target(adapter, refuses=refuses))
    return exchange.request(NOW), exchange


def base_of(adapter: str, operation: str, name: str) -> dict[str, Any]:
    """Return a body for ``name`` to stand in, with what it goes with, where that can be said at all."""
    body = dict(BODIES[operation])
    beside = WITH.get(name)
    if beside and outcome(ADAPTERS[adapter], operation, beside).fate in (Fate.SENT, Fate.TRANSLATED):
        body[beside] = value_of(operation, beside)
    return body


def standing(value: Any, name: str) -> Iterator[Any]:
    """Yield what stands under ``name``, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from standing(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from standing(inner, name)


def mistakes(adapter: str, operation: str, name: str) -> str:
    """Return what is wrong with the row, whatever of its values is said; nothing where one holds."""
    found = [mistake(adapter, operation, name, each) for each in (value_of(operation, name), *ALSO.get(name, ()))]
    return "" if "" in found else found[0]


def mistake(adapter: str, operation: str, name: str, value: Any) -> str:
    what = outcome(ADAPTERS[adapter], operation, name)
    base = base_of(adapter, operation, name)
    body = {**base, name: value}
    for refuses in (False, True):
        is_refused = what.fate is Fate.REFUSED or (refuses and what.fate is Fate.SHAPING)
        try:
            request, exchange = asked(adapter, operation, body, refuses=refuses)
        except RequestRejected as error:
            if not is_refused or error.param not in (name, WITH.get(name)) or error.code != "unsupported_parameter":
                return f"refused: {error} ({error.param}, {error.code})"
            continue
        if is_refused:
            return "is not refused"
        is_dropped = what.fate in (Fate.DROPPED, Fate.SHAPING)
        if (name in exchange.dropped) is not is_dropped:
            return f"dropped: {exchange.dropped}"
        without, _ = asked(adapter, operation, base)
        if is_dropped and request != without:
            return "is dropped, and yet changes the request"
        if what.fate is Fate.SENT:
            place = what.name.rpartition(".")[2]
            if not is_said(body[name], request, place):
                return f"does not stand under {place}: {request.body!r}"
        if what.fate is Fate.TRANSLATED and name not in DONE_HERE and request == without:
            return "changes nothing"
    return ""


@pytest.mark.parametrize(("operation", "name"), ROWS)
def test_a_row_says_what_becomes_of_the_parameter(operation, name):
    found = {adapter: mistakes(adapter, operation, name) for adapter in formats(operation)}
    assert {adapter: mistake for adapter, mistake in found.items() if mistake} == {}


def test_the_page_is_what_the_adapters_say():
    assert DOCS.read_text() == page(), "the adapters have changed: run `make parameters` and commit docs/parameters.md"


def test_every_parameter_of_the_table_has_a_kind():
    named = {name for names in PARAMETERS.values() for name in names} - STRUCTURE
    assert named - KINDS.keys() == set()


def test_no_value_that_is_driven_is_a_default():
    assert [name for _, name in ROWS if DEFAULTS.get(name, object()) == value_of("chat.completions", name)] == []
