"""What a call about pictures or sound can use at most, in each of the units that it may be billed by. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billing.bounds import Demand
from gateway.picturing import tokens_of_pictures
from providers import sounds
from providers.operations import IMAGES, SPEECH
from providers.sounds import Recording
from providers.uploads import Upload

# A picture that is read: 4,160 tokens and 2,080 more for its shape, where every detail is wanted (OpenAI's gpt-image).
TOKENS_PER_PICTURE_READ = 6_240
# Spoken slowly a byte of text takes a quarter of a second, and a second of sound is 21 tokens (gpt-4o-mini-tts).
TOKENS_PER_BYTE_SPOKEN = 8
# What is heard is padded to half a minute, at up to 32 tokens a second, and not more than so many words are said in it.
PADDED_MILLISECONDS = 30_000
TOKENS_PER_SECOND_HEARD, TOKENS_PER_SECOND_WRITTEN = 32, 20
FRAMING = 16


def demand_of(operation: str, body: Mapping[str, Any]) -> Demand:
    if operation in IMAGES:
        return _drawn(body)
    return _spoken(body) if operation == SPEECH else _heard(body)


def _drawn(body: Mapping[str, Any]) -> Demand:
    count = int(body.get("n") or 1)
    read = FRAMING + _bytes(body.get("prompt")) + TOKENS_PER_PICTURE_READ * _pictures(body)
    by_tokens = Demand(read, tokens_of_pictures(body), count)
    return by_tokens._replace(either=(by_tokens, Demand(0, 0, images=count)))


def _pictures(body: Mapping[str, Any]) -> int:
    given = [body.get(name) for name in ("image", "images", "mask")]
    return sum(len(each) if isinstance(each, list) else each is not None for each in given)


def _spoken(body: Mapping[str, Any]) -> Demand:
    text, speed = str(body["input"]), body.get("speed")
    slow = 1 / min(1.0, float(speed)) if isinstance(speed, int | float) and speed > 0 else 1.0
    read = FRAMING + _bytes(text) + _bytes(body.get("instructions"))
    by_tokens = Demand(read, round(TOKENS_PER_BYTE_SPOKEN * slow * (FRAMING + _bytes(text))), has_audio=True)
    return by_tokens._replace(either=(by_tokens, Demand(0, 0, characters=len(text))))


def _heard(body: Mapping[str, Any]) -> Demand:
    length = _milliseconds(body.get("file"))
    padded = -(-length // PADDED_MILLISECONDS) * PADDED_MILLISECONDS // 1000
    read = FRAMING + _bytes(body.get("prompt")) + padded * TOKENS_PER_SECOND_HEARD
    by_tokens = Demand(read, padded * TOKENS_PER_SECOND_WRITTEN, has_audio=True)
    return by_tokens._replace(either=(by_tokens, Demand(0, 0, milliseconds=length)))


def _milliseconds(file: Any) -> int:
    """Return how long a sound can be billed as: its length in whole seconds, or the most that its bytes can be."""
    if isinstance(file, Recording) and file.is_measured:
        return -(-file.milliseconds // 1000) * 1000
    return sounds.longest(file.size) if isinstance(file, Upload) else 0


def _bytes(text: Any) -> int:
    return len(text.encode(errors="replace")) if isinstance(text, str) else 0
