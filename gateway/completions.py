"""Text completions of models that only chat: a prompt said as a chat, the answer said as its continuation. Pure.

What a chat cannot do is refused by name: tokens as a prompt, a suffix, the chances of tokens, the best of many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.fieldchecks import Invalid
from gateway.validation import validate
from providers.adapters import supports
from providers.targets import Route

OPERATION = "completions"
CHAT = "chat.completions"
# OpenAI's own, where a completion names none
MAX_TOKENS = 16
MOST_PROMPTS = 128
# what a chat has another meaning or no word for
KEPT_BACK = frozenset({"prompt", "echo", "suffix", "best_of", "logprobs"})

Body = dict[str, Any]


def are_spoken_by(adapter: str, quirks: Mapping[str, Any]) -> bool:
    """Whether a provider completes texts itself: its quirk ``completions: chat`` says that it only chats."""
    return supports(adapter, OPERATION) and quirks.get(OPERATION) != "chat"


def is_over_chat(route: Route) -> bool:
    """Whether a route that chats has no target that completes texts itself."""
    spoken = any(are_spoken_by(target.provider.adapter, target.provider.quirks) for target in route.targets)
    return CHAT in route.operations and not (spoken and OPERATION in route.operations)


def chats(body: Any) -> list[Body]:
    """Return a chat for each prompt. Raises ``Invalid``."""
    said = validate(OPERATION, body)
    _refuse_what_no_chat_can(said)
    prompts = _prompts(said["prompt"])
    if said.get("stream") is True and len(prompts) != 1:
        raise _unsupported("prompt", "streams one prompt at a time")
    rest = {name: value for name, value in said.items() if name not in KEPT_BACK}
    if rest.get("max_tokens") is None and rest.get("max_completion_tokens") is None:
        rest["max_tokens"] = MAX_TOKENS
    return [{**rest, "messages": [{"role": "user", "content": prompt}]} for prompt in prompts]


def _prompts(given: Any) -> list[str]:
    prompts = [given] if isinstance(given, str) else given
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise _unsupported("prompt", "takes texts, no tokens")
    if len(prompts) > MOST_PROMPTS:
        raise Invalid(f"Invalid length of 'prompt': at most {MOST_PROMPTS} at a time with this model.", "prompt")
    return prompts


def _refuse_what_no_chat_can(said: Body) -> None:
    if said.get("suffix"):
        raise _unsupported("suffix", "cannot fill in before a suffix")
    if said.get("logprobs") is not None:
        raise _unsupported("logprobs", "does not tell the chances of tokens")
    if (said.get("best_of") or 1) > (said.get("n") or 1):
        raise _unsupported("best_of", "cannot choose among more answers than it gives")


def _unsupported(param: str, why: str) -> Invalid:
    message = f"Unsupported parameter: '{param}'. This model only chats: it {why}."
    return Invalid(message, param, "unsupported_parameter")


def echoed(body: Body) -> list[str]:
    """Return what each prompt's answers begin with."""
    prompts = _prompts(body["prompt"])
    return prompts if body.get("echo") else [""] * len(prompts)


def of_chats(answers: Sequence[Body], echoes: Sequence[str]) -> Body:
    """Return the one completion that the ``answers`` to its prompts are."""
    choices = [
        _choice(choice["message"], choice, echo)
        for answer, echo in zip(answers, echoes, strict=True)
        for choice in answer["choices"]
    ]
    first = answers[0]
    whole = {name: first[name] for name in ("created", "model", "system_fingerprint", "service_tier") if name in first}
    numbered = [{**choice, "index": index} for index, choice in enumerate(choices)]
    return {
        "id": _id(first),
        "object": "text_completion",
        **whole,
        "choices": numbered,
        "usage": _sum([answer.get("usage") for answer in answers]),
    }


def of_chunk(data: Mapping[str, Any]) -> Body:
    """Return the chunk of a completion that a chat's ``data`` is."""
    choices = [_choice(choice["delta"], choice) for choice in data["choices"]]
    return {**data, "id": _id(data), "object": "text_completion", "choices": choices}


def echo_of(body: Body, data: Mapping[str, Any]) -> Body:
    """Return the chunk that repeats the prompt, before ``data``, the first of a chat's."""
    (echo,) = echoed(body)
    choices = [_choice({"content": echo}, {"index": index}) for index in range(body.get("n") or 1)]
    kept = {name: value for name, value in data.items() if name != "usage"}
    return {**kept, "id": _id(data), "object": "text_completion", "choices": choices}


def _id(answer: Mapping[str, Any]) -> str:
    return "cmpl-" + str(answer.get("id", "")).removeprefix("chatcmpl-")


def _choice(said: Mapping[str, Any], choice: Mapping[str, Any], echo: str = "") -> Body:
    return {
        "text": echo + (said.get("content") or said.get("refusal") or ""),
        "index": choice["index"],
        "logprobs": None,
        "finish_reason": choice.get("finish_reason"),
    }


def _sum(usages: Sequence[Any]) -> Body | None:
    """Return the usages as one, those within them too; None where an upstream has told none."""
    if not all(isinstance(usage, dict) for usage in usages):
        return None
    names = dict.fromkeys(name for usage in usages for name in usage)
    return {name: _total([usage[name] for usage in usages if usage.get(name) is not None]) for name in names}


def _total(values: Sequence[Any]) -> Any:
    if values and all(isinstance(value, dict) for value in values):
        return _sum(values)
    return sum(values) if all(type(value) is int for value in values) else values[-1]
