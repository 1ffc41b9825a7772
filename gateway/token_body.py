"""What is asked about tokens, in the words of llama-cpp-python, vLLM, llama.cpp and LocalAI. Pure."""

from __future__ import annotations

from typing import Any

from gateway.fieldchecks import Check, Invalid, boolean, checked, filled, string
from gateway.validation import messages, token_ids

# how each calls the text that it is given; of a chat's messages vLLM alone makes tokens
TEXTS = ("input", "prompt", "content")
GIVEN = (*TEXTS, "messages")
FIELDS: dict[str, Check] = {
    "model": filled,
    **dict.fromkeys(TEXTS, string),
    "messages": messages,
    "tokens": token_ids,
    "add_special_tokens": boolean,
    "add_special": boolean,
    "return_token_strs": boolean,
    "with_pieces": boolean,
}
# what shapes our answer, and is for no upstream
SHAPES = frozenset({"return_token_strs", "with_pieces"})


def to_tokenize(body: Any) -> dict[str, Any]:
    """Return ``{"input"} or {"messages"}`` with what else is said. Raises ``Invalid`` by the caller's own names.

    Special tokens are added unless the caller says no, or speaks llama.cpp's words, where they are not without a word.
    """
    said = checked(body, (), FIELDS)
    given = [name for name in GIVEN if said.get(name) is not None]
    if not given:
        names = ", ".join(f"'{name}'" for name in GIVEN)
        raise Invalid(f"Missing required parameter: one of {names}.", "input", "missing_required_parameter")
    if len(given) > 1:
        raise Invalid(f"'{given[0]}' and '{given[1]}' are two things to tokenize: say one.", given[1])
    (name,) = given
    rest = {key: value for key, value in said.items() if key not in (*GIVEN, *SHAPES, "add_special")}
    if name == "content":
        rest.setdefault("add_special_tokens", None)
    if said.get("add_special") is not None:
        rest["add_special_tokens"] = said["add_special"]
    return {**rest, "messages" if name == "messages" else "input": said[name]}


def to_detokenize(body: Any) -> dict[str, Any]:
    """Return ``{"tokens"}`` with what else is said. Raises ``Invalid``."""
    return checked(body, ("tokens",), FIELDS)
