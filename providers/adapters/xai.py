"""xAI: OpenAI's format, but for speech, which has a path and words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import openai
from providers.adapters.shapes import Request
from providers.operations import SPEECH
from providers.parameters import Rule, translated, unsupported
from providers.targets import Target

PATH = "/tts"
PARAMETERS: Mapping[str, Rule] = translated("voice", "response_format", "language")
CODECS = frozenset({"mp3", "wav", "pcm", "mulaw", "alaw"})

# What the models that reason refuse, of the families that do.
REASONS = ("grok-3-mini", "grok-4", "grok-5", "grok-code")
REFUSES = ("presence_penalty", "frequency_penalty", "stop")


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` for a sound that it does not make."""
    if operation != SPEECH:
        return openai.encode(operation, body, target)
    return Request(PATH, openai.headers(target), msgspec.json.encode(_speech(body)))


def unknown(body: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """Return which of the parameters the target's model refuses."""
    model = target.upstream_model
    return REFUSES if model.startswith(REASONS) and "non-reasoning" not in model else ()


def _speech(body: Mapping[str, Any]) -> dict[str, Any]:
    voice, codec = body.get("voice"), body.get("response_format") or "mp3"
    if codec not in CODECS:
        raise unsupported("response_format", f"The model that answers here makes no sound of the format '{codec}'.")
    said = {
        "text": body["input"],
        "language": body.get("language") or "auto",
        "voice_id": voice.get("id") if isinstance(voice, Mapping) else voice,
        "output_format": {"codec": codec} if codec != "mp3" else None,
    }
    return {name: value for name, value in said.items() if value is not None}
