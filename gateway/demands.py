"""What a request can use at most: tokens of its prompt and of its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from billing.bounds import MOST_OUTPUT, Demand
from gateway import bodies, judged, media_demands
from providers import tokens
from providers.operations import COUNT, MEDIA
from providers.vocabularies import vocabulary_of

FRAMING = 16
# what providers tell the model of tools in their own words: 700 tokens at most were seen (Anthropic's)
TOOLS_FRAMING = 700
# tokens that an image can be billed as where its provider says nothing else (quirk ``image_tokens``): tiles or
# patches of the largest picture, for the smallest models several times the tokens of the large ones
MOST_IMAGE_TOKENS = {"gpt-4o-mini": 48_169, "": 5_000}
# so many characters of base64 are at least one token of sound: at 32 tokens a second (Gemini; OpenAI counts 10), of
# 8-bit waves or ADPCM, and of anything compressed down to 8 kbit a second
CHARACTERS_PER_AUDIO_TOKEN = {"wav": 160, "pcm16": 160, "": 40}
# A file's pages are read as text and as pictures, whatever its bytes are: the longest prompt there is.
LONGEST_PROMPT = 2**20
# what costs nothing, whatever the model's prices are: no model is run
FREE = frozenset({"tokenize", "detokenize", COUNT})
WITHOUT_OUTPUT = frozenset({"embeddings"}) | MEDIA | judged.OPERATIONS | FREE
MAXIMA = {
    "chat.completions": ("max_completion_tokens", "max_tokens"),
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
}
UNBOUNDED = 2**62


class Target(Protocol):
    @property
    def provider(self) -> Any: ...
    @property
    def upstream_model(self) -> str: ...
    @property
    def context_window(self) -> int | None: ...
    @property
    def max_output(self) -> int | None: ...


def demand_of(operation: str, body: dict[str, Any], target: Target) -> Demand:
    """Return what ``body`` can use at ``target``: no token is less than a byte of text."""
    if operation in MEDIA:
        return media_demands.demand_of(operation, body)
    if operation == judged.RERANK:
        return judged.demand_of(body)
    media = list(_media(body))
    sounds = [each for each in media if each.kind == "input_audio"]
    images = sum(each.kind == "image_url" for each in media)
    prompt = len(_encode(body)) - sum(len(each.data) for each in media if each.kind != "file")
    prompt += FRAMING * _messages(body) + TOOLS_FRAMING * bool(body.get("tools") or body.get("functions"))
    prompt += sum(-(-len(each.data) // _first(CHARACTERS_PER_AUDIO_TOKEN, each.format)) for each in sounds)
    prompt += images * _image_tokens(target)
    if any(each.kind == "file" for each in media):
        prompt = max(prompt, LONGEST_PROMPT)
    return Demand(
        prompt=min(prompt, (target.context_window or prompt) * _several(body)),
        output=_output(operation, body, target),
        choices=choices(body),
        has_audio=bool(sounds) or "audio" in body,
    )


async def exact_prompt(body: dict[str, Any], target: Target) -> int:
    """Return the prompt's tokens, its texts counted and the rest by its bytes; no bound where that cannot be done."""
    vocabulary = vocabulary_of(target.provider.adapter, target.upstream_model)
    if vocabulary is None or next(_media(body), None) is not None:
        return UNBOUNDED
    text = bodies.prompt_text(body)
    if len(text) > tokens.LONG_TEXT or not tokens.is_loaded(vocabulary):
        ids = await tokens.aside(tokens.encode, text, vocabulary)
    else:
        ids = tokens.encode(text, vocabulary)
    if ids is None:
        return UNBOUNDED
    rest = len(_encode(body)) - len(text.encode())
    framing = FRAMING * _messages(body) + TOOLS_FRAMING * bool(body.get("tools") or body.get("functions"))
    return len(ids) + rest + framing


def asked_output(operation: str, body: dict[str, Any]) -> int | None:
    """Return the most tokens that the caller wants of each answer; None where it does not say."""
    asked = [body[name] for name in MAXIMA.get(operation, ()) if isinstance(body.get(name), int)]
    return max(asked, default=None)


def _output(operation: str, body: dict[str, Any], target: Target) -> int:
    if operation in WITHOUT_OUTPUT:
        return 0
    asked = asked_output(operation, body)
    return asked if asked is not None else target.max_output or MOST_OUTPUT


def choices(body: dict[str, Any]) -> int:
    """Return how many answers ``body`` asks for."""
    counts = [body[name] for name in ("n", "best_of") if isinstance(body.get(name), int)]
    return max([1, *counts]) * _several(body)


def _several(body: dict[str, Any]) -> int:
    """Return how many prompts or inputs ``body`` has: a list of numbers is one, of tokens; so is one of items."""
    given = next((body[name] for name in ("prompt", "input") if isinstance(body.get(name), list)), ())
    return len(given) if given and not isinstance(given[0], int | dict) else 1


def _messages(body: dict[str, Any]) -> int:
    return len(_said(body)) or _several(body)


def _said(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a chat, or the items of what is to be a Response."""
    said = next((body[name] for name in ("messages", "input") if isinstance(body.get(name), list)), [])
    return [each for each in said if isinstance(each, dict)]


class _Media(NamedTuple):
    """``data`` is the data or address of an image, sound or file, empty where only its id is given."""

    kind: str
    data: str
    format: str


def _media(body: dict[str, Any]) -> Iterator[_Media]:
    for message in _said(body):
        for content in (message.get("content"), message.get("output")):
            for part in content if isinstance(content, list) else ():
                if isinstance(part, dict) and part.get("type") in PARTS:
                    yield _media_of(part)


def _media_of(part: dict[str, Any]) -> _Media:
    """A chat's part has an object under its type, one of Responses has its data beside it."""
    kind, place = PARTS[part["type"]]
    given = part.get(place)
    if isinstance(given, str):
        return _Media(kind, given, "")
    given = given if isinstance(given, dict) else {}
    data = next((given[key] for key in ("url", "data", "file_data") if isinstance(given.get(key), str)), "")
    return _Media(kind, data, str(given.get("format", "")))


# type of a part: what it is, and where its data is
PARTS = {
    **{kind: (kind, kind) for kind in ("image_url", "input_audio", "file")},
    "input_image": ("image_url", "image_url"),
    "input_file": ("file", "file_data"),
}


def _image_tokens(target: Target) -> int:
    said = target.provider.quirks.get("image_tokens")
    return said or _first(MOST_IMAGE_TOKENS, target.upstream_model)


def _first(table: dict[str, Any], name: str) -> Any:
    """Return what ``table`` has for the first prefix of ``name`` in it."""
    return next((value for prefix, value in table.items() if name.startswith(prefix)), None)


_encode = msgspec.json.Encoder().encode
