"""The fields of a request for a Response: what each may be, and what may not stand together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fieldchecks import Check, Invalid, boolean, filled, integer, mapping, number, one_of, string
from gateway.responses.inputs import checked_input
from gateway.responses.tools import tool_choice, tools
from gateway.validation import stream_options

LEAST_OUTPUT = 16
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
SUMMARIES = ("auto", "concise", "detailed")
INCLUDED = (
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
    "reasoning.encrypted_content", "message.output_text.logprobs",
)  # fmt: skip
MOST_METADATA, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512


def _metadata(value: Any, param: str) -> None:
    mapping(value, param)
    if len(value) > MOST_METADATA:
        raise Invalid(f"Invalid '{param}': at most {MOST_METADATA} pairs, got {len(value)}.", param)
    for key, said in value.items():
        path = f"{param}.{key[:LONGEST_KEY]}"
        if len(key) > LONGEST_KEY:
            raise Invalid(f"Invalid '{param}': a key has more than {LONGEST_KEY} characters.", path)
        string(said, path)
        if len(said) > LONGEST_VALUE:
            raise Invalid(f"Invalid '{path}': more than {LONGEST_VALUE} characters.", path, "string_above_max_length")


def _conversation(value: Any, param: str) -> None:
    if isinstance(value, str):
        filled(value, param)
        return
    mapping(value, param)
    if value.get("id") is None:
        raise Invalid(f"Missing required parameter: '{param}.id'.", f"{param}.id", "missing_required_parameter")
    filled(value["id"], f"{param}.id")


def _include(value: Any, param: str) -> None:
    if not isinstance(value, list):
        raise Invalid(f"Invalid type for '{param}': expected an array of strings.", param, "invalid_type")
    for at, each in enumerate(value):
        one_of(*INCLUDED)(each, f"{param}[{at}]")


def _within(known: Mapping[str, Check]) -> Check:
    def check(value: Any, param: str) -> None:
        mapping(value, param)
        for name, inner in known.items():
            if value.get(name) is not None:
                inner(value[name], f"{param}.{name}")

    return check


def _format(value: Any, param: str) -> None:
    mapping(value, param)
    one_of("text", "json_object", "json_schema")(value.get("type"), f"{param}.type")
    if value["type"] != "json_schema":
        return
    for name, check in SCHEMA.items():
        path = f"{param}.{name}"
        if value.get(name) is not None:
            check(value[name], path)
        elif name in ("name", "schema"):
            raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


SCHEMA: Mapping[str, Check] = {"name": filled, "schema": mapping, "strict": boolean, "description": string}


def _refused(why: str) -> Check:
    def check(value: Any, param: str) -> None:
        raise Invalid(f"Unsupported parameter: '{param}'. {why}", param, "unsupported_parameter")

    return check


FIELDS: Mapping[str, Check] = {
    "background": boolean,
    "context_management": _refused("Nothing is compacted here: send the items that the model is to see."),
    "conversation": _conversation,
    "frequency_penalty": number(-2, 2),
    "include": _include,
    "input": checked_input,
    "instructions": string,
    "max_output_tokens": integer(LEAST_OUTPUT),
    "max_tool_calls": integer(1),
    "metadata": _metadata,
    "model": filled,
    "moderation": mapping,
    "parallel_tool_calls": boolean,
    "presence_penalty": number(-2, 2),
    "previous_response_id": filled,
    "prompt": _refused("Prompt templates are not kept here: send their text as 'instructions' or 'input'."),
    "prompt_cache_key": string,
    "prompt_cache_options": _within({"mode": one_of("implicit", "explicit"), "ttl": string}),
    "prompt_cache_retention": one_of("in_memory", "24h"),
    "reasoning": _within(
        {"effort": one_of(*EFFORTS), "summary": one_of(*SUMMARIES), "generate_summary": one_of(*SUMMARIES)}
    ),
    "safety_identifier": string,
    "service_tier": string,
    "store": boolean,
    "stream": boolean,
    "stream_options": stream_options,
    "temperature": number(0, 2),
    "text": _within({"format": _format, "verbosity": one_of("low", "medium", "high")}),
    "tool_choice": tool_choice,
    "tools": tools,
    "top_logprobs": integer(0, 20),
    "top_p": number(0, 1),
    "truncation": one_of("auto", "disabled"),
    "user": string,
}
# What chat calls it, and where it is said here.
MOVED: Mapping[str, str] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "functions": "tools",
    "function_call": "tool_choice",
    "logprobs": "include",
    "n": "",
    "modalities": "",
    "audio": "",
}


def agree(body: Mapping[str, Any]) -> None:
    """Check what the fields say together. Raises ``Invalid``."""
    given = {name for name, value in body.items() if value is not None}
    if {"previous_response_id", "conversation"} <= given:
        raise Invalid(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )
    if not given & {"input", "previous_response_id", "conversation"}:
        raise Invalid(
            "Missing required parameter: one of 'input', 'previous_response_id' or 'conversation'.",
            "input",
            "missing_required_parameter",
        )
    if body.get("background") and body.get("store") is False:
        raise Invalid("A background response has to be stored: leave 'store' out or send true.", "background")
