"""OpenAI's wire format, which most providers speak."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers import multipart
from providers.adapters import failures
from providers.adapters.shapes import Adapter, Request, Response
from providers.errors import BadAnswer, UpstreamError
from providers.operations import HEARD, IMAGES, MEDIA, RESPONSES, TRANSCRIPTIONS, TRANSLATIONS
from providers.sse import Event
from providers.targets import Target

PATHS: Mapping[str, str] = {
    "chat.completions": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "images.generations": "/images/generations",
    "images.edits": "/images/edits",
    "images.variations": "/images/variations",
    "audio.speech": "/audio/speech",
    "audio.transcriptions": "/audio/transcriptions",
    "audio.translations": "/audio/translations",
    "responses": "/responses",
    "moderations": "/moderations",
}
ANSWER_LIST = {
    "chat.completions": "choices",
    "completions": "choices",
    "embeddings": "data",
    "moderations": "results",
    **dict.fromkeys(IMAGES, "data"),
    RESPONSES: "output",
}
COMMON_HEADERS: tuple[tuple[str, str], ...] = (
    ("content-type", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "tollgate"),
)

HALF_CHARACTER = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request: the caller's body under the upstream's model, usage always asked for on streams."""
    sent = {**body, "model": target.upstream_model}
    if operation in MEDIA:
        return _media(operation, sent, target)
    if sent.get("stream") and operation != RESPONSES:
        sent["stream_options"] = _stream_options(body.get("stream_options"), target)
        if not sent["stream_options"]:
            del sent["stream_options"]
    return Request(PATHS[operation], headers(target), _encode(sent))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or the error that stands inside a 200."""
    if operation in HEARD:
        return _heard(response)
    answer = _object(response.body)
    if answer.get("error"):
        raise failures.inside(answer, response.headers)
    listed = answer.get(ANSWER_LIST[operation])
    if not isinstance(listed, list):
        raise BadAnswer()
    for item in listed:
        if isinstance(item, dict) and item.get("error"):
            raise failures.inside(item, response.headers)
    return answer, response.body


def _media(operation: str, sent: dict[str, Any], target: Target) -> Request:
    """Return a request about pictures or sound: a form where it has files, which tells no type of its own yet."""
    if operation == TRANSLATIONS and target.provider.quirks.get("translations") == "asked":
        operation, sent = TRANSCRIPTIONS, {**sent, "translate": True}
    if not multipart.has_files(sent):
        return Request(PATHS[operation], headers(target), _encode(sent))
    told = tuple(header for header in headers(target) if header[0] != "content-type")
    return Request(PATHS[operation], told, b"", form=multipart.form_of(sent))


def _heard(response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return a transcript, the words alone where it came as text or subtitles."""
    if is_page(response.headers.get("content-type", "")):
        raise BadAnswer()
    if not is_json(response):
        return {"text": response.body.decode(errors="replace")}, response.body
    answer = _object(response.body)
    if answer.get("error"):
        raise failures.inside(answer, response.headers)
    if not isinstance(answer.get("text"), str):
        raise BadAnswer()
    return answer, response.body


def is_page(kind: str) -> bool:
    """Whether what came is for people: some other server answers there."""
    return kind.startswith("text/html")


def is_json(response: Response) -> bool:
    kind = response.headers.get("content-type", "")
    return "json" in kind if kind else response.body.lstrip()[:1] == b"{"


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder()


def decode_error(response: Response) -> UpstreamError:
    return failures.of(response)


class StreamDecoder:
    """Events are chunks already."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, event: Event) -> Sequence[tuple[dict[str, Any], bytes | None]]:
        """Return the event's chunk. Raises ``BadAnswer``, or the error that the event is."""
        if event.data.startswith(b"[DONE]"):
            self.done = True
            return ()
        if self.done or not event.data:
            return ()
        chunk = _object(event.data)
        if b'"error"' in event.data or event.name == b"error":
            _refuse_errors(chunk, event)
        return ((chunk, event.raw),)


def _refuse_errors(chunk: dict[str, Any], event: Event) -> None:
    if chunk.get("error") or event.name == b"error":
        raise failures.inside(chunk, {})
    for choice in chunk.get("choices") or ():
        if choice.get("error"):
            raise failures.inside(choice, {})


def _stream_options(asked: Any, target: Target) -> dict[str, Any]:
    options = dict(asked) if isinstance(asked, dict) else {}
    if target.provider.quirks.get("stream_usage", True):
        options["include_usage"] = True
    else:
        options.pop("include_usage", None)
    return options


def headers(target: Target) -> tuple[tuple[str, str], ...]:
    secret = target.provider.secret
    said = (*COMMON_HEADERS, ("authorization", f"Bearer {secret}")) if secret else COMMON_HEADERS
    return (*said, *extra_headers(target)) if target.provider.options.get("headers") else said


def extra_headers(target: Target) -> tuple[tuple[str, str], ...]:
    """Return the headers that the provider's options add, whatever its format."""
    extra = target.provider.options.get("headers") or {}
    return tuple((str(name).lower(), str(value)) for name, value in extra.items())


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _mended(data)
    if not isinstance(value, dict):
        raise BadAnswer()
    return value


def _mended(data: bytes) -> Any:
    """Return what ``data`` says once half characters, as some hosts stream them, are replaced."""
    try:
        return _decode(HALF_CHARACTER.sub(rb"\\ufffd", data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None


ADAPTER = Adapter(
    operations=tuple(PATHS),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=decode_error,
    # LocalAI's: whatever it hints at, it is nothing of theirs, and OpenAI refuses what it does not know
    quirks={"parameters": {"backend": False}},
)
