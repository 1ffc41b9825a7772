"""What calls about pictures and sound used, in the unit that their prices are of. Pure.

Some models are billed by tokens, others by the picture, the second or the character, and an answer may tell several of
these, or none: of what is known the first that has a price counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from billing.pricing import PriceRow, Usage, cost_of, usage_of
from gateway.picturing import tokens_of_pictures
from providers import sounds, tokens
from providers.operations import HEARD, IMAGES, SPEECH
from providers.sounds import Recording

# how many tokens a second of sound is where nobody tells, and a character that is said aloud
TOKENS_PER_SECOND = 10
TOKENS_PER_CHARACTER = 1.4
COUNTED_CHARACTERS = 20_000
MOST_SECONDS = sounds.MOST_MILLISECONDS // 1000


class Told(NamedTuple):
    """What is known of an answer: the ``usage`` it tells, itself where it came whole, and its words otherwise."""

    usage: Mapping[str, Any] = {}
    answer: Mapping[str, Any] | None = None
    words: str = ""


class Measured(NamedTuple):
    """``is_doubtful``: what was told contradicts itself. ``is_estimated``: it was not told, and not counted."""

    usage: Usage
    is_doubtful: bool = False
    is_estimated: bool = False


NOTHING = Measured(Usage())


def used(
    operation: str, body: Mapping[str, Any], told: Told, rows: Iterable[PriceRow], tier: str = "", variant: str = ""
) -> Measured:
    """Return what is billed: the first of what is known that ``rows`` price, else what is known best."""
    prices = tuple(rows)
    best: Measured | None = None
    for known in WAYS[operation](body, told):
        if _has_price(known.usage, prices, tier, variant):
            return known
        best = best or known
    return best or NOTHING


def asked(
    operation: str, body: Mapping[str, Any], rows: Iterable[PriceRow], tier: str = "", variant: str = ""
) -> Usage:
    """Return what a call is billed by when it was sent and nothing is known of its answer."""
    return used(operation, body, Told(), rows, tier, variant).usage


def _has_price(usage: Usage, rows: tuple[PriceRow, ...], tier: str, variant: str) -> bool:
    return cost_of(usage, rows, tier, variant).atoms is not None


# the ways that each operation may be billed, what is known best first ------------------------------------------------


def _images(body: Mapping[str, Any], told: Told) -> Iterator[Measured]:
    for known in _tokens(told.usage):
        yield known if _is_split(told.usage) else known._replace(usage=_drawn(known.usage))
    made = _pictures(told)
    count = int(body.get("n") or 1) if made is None else made
    yield Measured(Usage(image=count), is_estimated=made is None)
    read = tokens.count(str(body.get("prompt") or "")[:COUNTED_CHARACTERS])
    yield Measured(Usage(input=read, image_out=count * tokens_of_pictures(body)), is_estimated=True)


def _is_split(usage: Mapping[str, Any]) -> bool:
    """Whether it tells which tokens of the answer are pictures; where nothing is said, all are."""
    details = usage.get("output_tokens_details") or usage.get("completion_tokens_details")
    return isinstance(details, dict) and details.get("image_tokens") is not None


def _drawn(usage: Usage) -> Usage:
    return usage._replace(output=0, image_out=usage.output + usage.image_out)


def _pictures(told: Told) -> int | None:
    data = told.answer.get("data") if told.answer is not None else None
    count = len(data) if isinstance(data, list) else told.usage.get("images")
    return count if type(count) is int else None


def _speech(body: Mapping[str, Any], told: Told) -> Iterator[Measured]:
    for known in _tokens(told.usage):
        yield from (known, known._replace(usage=_aloud(known.usage)))
    text = str(body["input"])
    yield Measured(Usage(character=len(text)))
    read = tokens.count(f"{text}\n{body.get('instructions') or ''}"[:COUNTED_CHARACTERS])
    guess = Usage(input=read, output=math.ceil(len(text) * TOKENS_PER_CHARACTER))
    yield Measured(guess, is_estimated=True)
    yield Measured(_aloud(guess), is_estimated=True)


def _aloud(usage: Usage) -> Usage:
    return usage._replace(output=0, audio_out=usage.output)


def _heard(body: Mapping[str, Any], told: Told) -> Iterator[Measured]:
    for known in _tokens(told.usage):
        yield from (known, known._replace(usage=_as_text(known.usage)))
    seconds = _seconds(told)
    if seconds is not None:
        yield Measured(Usage(second=seconds))
    length, is_measured = _length(body)
    yield Measured(Usage(second=length), is_estimated=not is_measured)
    words = str(told.answer["text"]) if told.answer is not None and "text" in told.answer else told.words
    heard = length if seconds is None else seconds
    guess = Usage(audio_in=-(-heard * TOKENS_PER_SECOND // 1000), output=tokens.count(words[:COUNTED_CHARACTERS]))
    yield Measured(guess, is_estimated=True)
    yield Measured(_as_text(guess), is_estimated=True)


def _as_text(usage: Usage) -> Usage:
    """Sound that has no price of its own is read like text."""
    return usage._replace(input=usage.input + usage.audio_in, audio_in=0)


def _length(body: Mapping[str, Any]) -> tuple[int, bool]:
    file = body.get("file")
    return (file.milliseconds, file.is_measured) if isinstance(file, Recording) else (0, False)


def _seconds(told: Told) -> int | None:
    """Return the milliseconds that an answer tells, where they make sense."""
    answer = told.answer or {}
    for value in (told.usage.get("seconds"), told.usage.get("prompt_audio_seconds"), answer.get("duration")):
        if isinstance(value, int | float) and 0 < value < MOST_SECONDS:
            return math.ceil(value * 1000)
    return None


def _tokens(usage: Mapping[str, Any]) -> Iterator[Measured]:
    """Yield what is told in tokens, in the words of these operations or in those of chats."""
    if "input_tokens" not in usage and "output_tokens" not in usage and "prompt_tokens" not in usage:
        return
    said = dict(usage)
    for ours, theirs in CHAT_WORDS.items():
        if ours in usage:
            said[theirs] = usage[ours]
    found, is_doubtful = usage_of(said)
    yield Measured(found, is_doubtful)


CHAT_WORDS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "output_tokens_details": "completion_tokens_details",
    "input_tokens_details": "prompt_tokens_details",
    "input_token_details": "prompt_tokens_details",
}
WAYS: Mapping[str, Callable[[Mapping[str, Any], Told], Iterator[Measured]]] = {
    **dict.fromkeys(IMAGES, _images),
    SPEECH: _speech,
    **dict.fromkeys(HEARD, _heard),
}
