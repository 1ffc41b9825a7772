"""What a model is told of a thread: the instructions, the messages that fit, what this run has called so far. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway import bodies

# where nobody knows better; a picture's bytes say nothing of it
PICTURE_TOKENS = 1_000
# what is left for the answer where the run does not say
ANSWER_TOKENS = 4_096
CARRIED = "data:"
UNSHOWN = {"type": "text", "text": {"value": "(A picture that was here cannot be shown any more.)", "annotations": []}}
# said alike in a run and in a chat
SAMPLING = ("temperature", "top_p", "reasoning_effort")


class Done(NamedTuple):
    """A step of this run that is done: what the call ``record`` has written, ``text`` where it called nothing.

    ``message`` is that of a call that called tools, as its model wants it back; ``outputs`` are by call id.
    """

    record: str
    text: str = ""
    message: Mapping[str, Any] | None = None
    outputs: Mapping[str, str] = {}


def instructed(own: str | None, additional: str | None) -> str | None:
    """Return the instructions of a run: those of its assistant or its own, and what it adds to them."""
    return "\n\n".join(text for text in (own, additional) if text) or own


def kept(weights: Sequence[int], strategy: Mapping[str, Any] | None, room: int | None) -> list[int]:
    """Return the places of the messages that the model is told of, in their order.

    ``last_messages`` are the newest ones, whatever they weigh. Otherwise those in the middle go until the rest weighs
    no more than ``room``; the newest one stays in any case.
    """
    count = len(weights)
    if strategy and strategy.get("type") == "last_messages":
        return list(range(max(0, count - (strategy.get("last_messages") or count)), count))
    if room is None or sum(weights) <= room or count < 2:
        return list(range(count))
    newest = count - 1
    left = room - weights[newest]
    first = [0] if weights[0] <= left else []
    left -= sum(weights[at] for at in first)
    begin = newest
    while begin - 1 >= len(first) and weights[begin - 1] <= left:
        begin -= 1
        left -= weights[begin]
    return [*first, *range(begin, count)]


def fitted(content: Iterable[Mapping[str, Any]], room: int) -> tuple[list[Mapping[str, Any]], int]:
    """Return a message's content as far as there is ``room`` for it, in bytes, and how much of that it leaves.

    Of the pictures that it carries within itself only the last ones stay that fit beside its texts; less than nothing
    is left where these do not fit themselves.
    """
    parts = list(content)
    left = room - sum(len(_said(part)) for part in parts)
    kept: list[Mapping[str, Any]] = []
    for part in reversed(parts):
        size = _carried(part)
        kept.append(part if size <= max(left, 0) else UNSHOWN)
        left -= size if kept[-1] is part else 0
    return kept[::-1], left


def _carried(part: Mapping[str, Any]) -> int:
    url = part["image_url"]["url"] if part["type"] == "image_url" else ""
    return len(url) if url[: len(CARRIED)].lower() == CARRIED else 0


def message_of(role: str, content: Iterable[Mapping[str, Any]], pictures: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a thread's message as a chat has it, None where it says nothing. ``pictures`` are URLs by file id."""
    parts = list(content)
    if role == "assistant":
        text = "".join(_said(part) for part in parts)
        return {"role": role, "content": text} if text else None
    told = [each for part in parts if (each := _part(part, pictures)) is not None]
    if all(each["type"] == "text" for each in told):
        text = "\n".join(each["text"] for each in told)
        return {"role": role, "content": text} if text else None
    return {"role": role, "content": told}


def _said(part: Mapping[str, Any]) -> str:
    if part["type"] == "refusal":
        return str(part["refusal"])
    return str(part["text"]["value"]) if part["type"] == "text" else ""


def _part(part: Mapping[str, Any], pictures: Mapping[str, str]) -> dict[str, Any] | None:
    kind = part["type"]
    if kind == "image_url":
        return {"type": kind, kind: _picture(part[kind]["url"], part[kind])}
    if kind == "image_file":
        url = pictures.get(part[kind]["file_id"])
        if url is None:
            return {"type": "text", "text": f"(The picture {part[kind]['file_id']} cannot be shown any more.)"}
        return {"type": "image_url", "image_url": _picture(url, part[kind])}
    return {"type": "text", "text": text} if (text := _said(part)) else None


def _picture(url: str, part: Mapping[str, Any]) -> dict[str, Any]:
    detail = part.get("detail")
    return {"url": url, **({"detail": detail} if detail not in (None, "auto") else {})}


def pictures_in(contents: Iterable[Iterable[Mapping[str, Any]]]) -> list[str]:
    """Return the ids of the files that these contents show."""
    shown = (part["image_file"]["file_id"] for content in contents for part in content if part["type"] == "image_file")
    return list(dict.fromkeys(shown))


def replayed(steps: Iterable[Done]) -> list[dict[str, Any]]:
    """Return what this run has said and called, and what came of it: each of its calls of a model is one message."""
    done = list(steps)
    calling = {step.record for step in done if step.message is not None}
    messages: list[dict[str, Any]] = []
    for step in done:
        if step.message is not None:
            messages.append(dict(step.message))
            messages += [
                {"role": "tool", "tool_call_id": call["id"], "content": step.outputs.get(call["id"]) or ""}
                for call in step.message["tool_calls"]
            ]
        elif step.text and step.record not in calling:
            messages.append({"role": "assistant", "content": step.text})
    return messages


def weight(message: Mapping[str, Any]) -> int:
    """Return roughly how many tokens a message of a chat is."""
    content = message.get("content")
    pictures = sum(part["type"] == "image_url" for part in content) if isinstance(content, list) else 0
    return bodies.prompt_estimate({"messages": [message]}) + PICTURE_TOKENS * pictures


class Prompt(NamedTuple):
    """``weight`` is roughly how many tokens the ``messages`` are, and what stands beside them."""

    messages: list[dict[str, Any]]
    weight: int


def prompt(
    instructions: str | None,
    thread: Sequence[Mapping[str, Any]],
    run: Sequence[Mapping[str, Any]],
    strategy: Mapping[str, Any] | None,
    room: int | None,
    beside: int = 0,
) -> Prompt:
    """Return the messages of a chat: instructions, those of the ``thread`` that fit, all of the ``run``.

    ``room`` is for all of it, None where there is no bound that is known; ``beside`` is what the tools weigh.
    """
    system = [{"role": "system", "content": instructions}] if instructions else []
    fixed = beside + sum(map(weight, [*system, *run]))
    weights = list(map(weight, thread))
    places = kept(weights, strategy, None if room is None else room - fixed)
    messages = [*system, *(dict(thread[at]) for at in places), *map(dict, run)]
    return Prompt(messages, fixed + sum(weights[at] for at in places))


def room_of(window: int | None, most_prompt: int | None, most_answer: int | None) -> int | None:
    """Return how many tokens a prompt may have: what a model's ``window`` leaves for it, and what the run does."""
    fitting = window - min(most_answer or ANSWER_TOKENS, window // 2) if window else None
    return min((bound for bound in (fitting, most_prompt) if bound is not None), default=None)


def left_of(asked: Mapping[str, Any], usage: Mapping[str, int]) -> tuple[int | None, int | None]:
    """Return how many tokens of prompts and of answers the run may still use; None where it has no such bound."""
    bounds = (("max_prompt_tokens", "prompt_tokens"), ("max_completion_tokens", "completion_tokens"))
    prompt, answer = (
        None if asked.get(most) is None else max(0, asked[most] - usage.get(used, 0)) for most, used in bounds
    )
    return prompt, answer


def exceeded(weight: int, most_prompt: int | None, most_answer: int | None) -> str:
    """Return which bound leaves no room for a call whose prompt has this ``weight``; "" where there is room."""
    if most_answer is not None and most_answer < 1:
        return "max_completion_tokens"
    return "max_prompt_tokens" if most_prompt is not None and weight > most_prompt else ""


def chat_body(
    asked: Mapping[str, Any],
    messages: list[dict[str, Any]],
    tools: Mapping[str, Any],
    most_answer: int | None,
) -> dict[str, Any]:
    """Return the body of a chat; ``tools`` is what it says of them. What the run leaves open is left to the model."""
    format = asked.get("response_format")
    return {
        "model": asked["model"],
        "messages": messages,
        **{name: asked[name] for name in SAMPLING if asked.get(name) is not None},
        **({"response_format": format} if isinstance(format, dict) else {}),
        **({"max_completion_tokens": most_answer} if most_answer is not None else {}),
        **tools,
        "stream": True,
    }


def added(usage: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Return what two calls have used together."""
    return {name: usage.get(name, 0) + count for name, count in more.items()}


def used(told: Any, estimate: tuple[int, int]) -> dict[str, int]:
    """Return the tokens of a call as a run counts them: as its answer tells, else as they were estimated."""
    said = told if isinstance(told, dict) else {}
    read, written = (
        said[name] if type(said.get(name)) is int and said[name] >= 0 else guess
        for name, guess in zip(("prompt_tokens", "completion_tokens"), estimate, strict=True)
    )
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
