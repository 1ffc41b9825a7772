"""What an input may look like: a text, or items whose kind is known by what they need. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fieldchecks import Check, Invalid, filled, mapping, objects, one_of, string
from gateway.responses.items import kind_of

ROLES = ("user", "assistant", "system", "developer")
DETAILS = ("low", "high", "auto", "original")


def checked_input(value: Any, param: str) -> None:
    """Check an input: a text, or items. Items of kinds that are not known here are checked by whoever serves them."""
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise Invalid(f"Invalid type for '{param}': expected a string or an array of items.", param, "invalid_type")
    checked_items(value, param)


def checked_items(value: Any, param: str) -> None:
    """Check a list of items, as ``input`` and conversations have them."""
    objects()(value, param)
    for at, item in enumerate(value):
        _item(item, f"{param}[{at}]")


def _item(item: dict[str, Any], param: str) -> None:
    if item.get("type") is not None:
        string(item["type"], f"{param}.type")
    kind = kind_of(item)
    if item.get("id") is not None:
        filled(item["id"], f"{param}.id")
    needed, fields = KINDS.get(kind, ((), {}))
    for name in needed:
        if item.get(name) is None:
            path = f"{param}.{name}"
            raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    for name, check in fields.items():
        if item.get(name) is not None:
            check(item[name], f"{param}.{name}")
    if kind == "message":
        _content(item["content"], f"{param}.content", PARTS_OF[item["role"]])


def _content(value: Any, param: str, known: tuple[str, ...]) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise Invalid(
            f"Invalid type for '{param}': expected a string or an array of content parts.", param, "invalid_type"
        )
    objects()(value, param)
    for at, part in enumerate(value):
        _part(part, f"{param}[{at}]", known)


def _part(part: dict[str, Any], param: str, known: tuple[str, ...]) -> None:
    kind = part.get("type")
    if kind is None:
        raise Invalid(f"Missing required parameter: '{param}.type'.", f"{param}.type", "missing_required_parameter")
    if kind not in known:
        names = ", ".join(f"'{name}'" for name in known)
        raise Invalid(f"Invalid value: '{kind}'. Supported values are: {names}.", f"{param}.type")
    sources, fields = PARTS[kind]
    if all(part.get(name) is None for name in sources):
        path = f"{param}.{sources[0]}" if len(sources) == 1 else param
        names = " or ".join(f"'{name}'" for name in sources)
        raise Invalid(f"Missing required parameter: {names} of '{param}'.", path, "missing_required_parameter")
    for name, check in fields.items():
        if part.get(name) is not None:
            check(part[name], f"{param}.{name}")


def _sound(value: Any, param: str) -> None:
    mapping(value, param)
    for name in ("data", "format"):
        if value.get(name) is None:
            path = f"{param}.{name}"
            raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
        string(value[name], f"{param}.{name}")


def _output(value: Any, param: str) -> None:
    _content(value, param, ("input_text", "input_image", "input_file"))


def _texts(kind: str) -> Check:
    def check(value: Any, param: str) -> None:
        objects()(value, param)
        _content(value, param, (kind,))

    return check


Fields = Mapping[str, Check]
CALL: Fields = {"call_id": filled, "name": filled}
# kind: what it needs, and the checks of its fields
KINDS: Mapping[str, tuple[tuple[str, ...], Fields]] = {
    "message": (("role", "content"), {"role": one_of(*ROLES)}),
    "function_call": (("call_id", "name", "arguments"), {**CALL, "arguments": string}),
    "custom_tool_call": (("call_id", "name", "input"), {**CALL, "input": string}),
    "function_call_output": (("call_id", "output"), {"call_id": filled, "output": _output}),
    "custom_tool_call_output": (("call_id", "output"), {"call_id": filled, "output": _output}),
    "reasoning": (
        ("summary",),
        {
            "summary": _texts("summary_text"),
            "content": _texts("reasoning_text"),
            "encrypted_content": string,
        },
    ),
    "item_reference": (("id",), {"id": filled}),
}
# part: what it may consist of, and the checks of its fields
PARTS: Mapping[str, tuple[tuple[str, ...], Fields]] = {
    "input_text": (("text",), {"text": string}),
    "output_text": (("text",), {"text": string}),
    "summary_text": (("text",), {"text": string}),
    "reasoning_text": (("text",), {"text": string}),
    "refusal": (("refusal",), {"refusal": string}),
    "input_image": (
        ("image_url", "file_id"), {"image_url": filled, "file_id": filled, "detail": one_of(*DETAILS)}
    ),
    "input_file": (
        ("file_id", "file_data", "file_url"),
        {"file_id": filled, "file_data": string, "file_url": filled, "filename": string},
    ),
    "input_audio": (("input_audio",), {"input_audio": _sound}),
}  # fmt: skip
GIVEN = ("input_text", "input_image", "input_file", "input_audio")
PARTS_OF: Mapping[str, tuple[str, ...]] = {
    "user": GIVEN,
    "system": ("input_text",),
    "developer": ("input_text",),
    "assistant": ("output_text", "refusal", "input_text"),
}
