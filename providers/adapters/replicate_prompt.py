"""A conversation as the inputs of a model that knows no roles: a prompt, a system prompt, an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers import conversation
from providers.conversation import Conversation, Media, Part, Text, Turn
from providers.errors import RequestRejected

NAMES: Mapping[str, str] = {"prompt": "prompt", "system_prompt": "system_prompt", "image": "image"}
LABELS: Mapping[str, str] = {"user": "User", "assistant": "Assistant"}


def inputs(messages: Sequence[Mapping[str, Any]], names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's inputs. ``names`` says what it calls them, or False where it has none.

    Raises ``RequestRejected`` for what cannot be said: tool calls, sounds and files, more than one image.
    """
    names = {**NAMES, **names}
    said = conversation.read(messages)
    system = said.system_text
    found = {names["prompt"]: prompt(said, system if not names["system_prompt"] else "")}
    if system and names["system_prompt"]:
        found[names["system_prompt"]] = system
    if images := [_image(part) for turn in said.turns for part in turn.parts if isinstance(part, Media)]:
        if len(images) > 1 or not names["image"]:
            raise _refused("more than one image" if names["image"] else "images")
        found[names["image"]] = images[0]
    return found


def prompt(said: Conversation, system: str = "") -> str:
    """Return the turns as one text: a question alone as it is, a conversation with who says what."""
    if len(said.turns) == 1 and said.turns[0].role == "user" and not system:
        return _text(said.turns[0])
    told = [f"System: {system}"] if system else []
    told += [f"{LABELS[turn.role]}: {_text(turn)}" for turn in said.turns]
    if not said.turns or said.turns[-1].role == "user":
        told.append("Assistant:")
    return "\n\n".join(told)


def _text(turn: Turn) -> str:
    if turn.calls or turn.results:
        raise _refused("tool calls")
    return "\n".join(part.text for part in turn.parts if isinstance(part, Text))


def _image(part: Part) -> str:
    if not isinstance(part, Media) or part.kind != "image":
        raise _refused("sounds and files")
    return part.url or f"data:{part.media_type};base64,{part.data}"


def _refused(what: str) -> RequestRejected:
    return RequestRejected(f"The model that answers here takes no {what}.", code="unsupported_value", param="messages")
