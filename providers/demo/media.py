"""The demo model's pictures and sounds in OpenAI's format, whole and as events. Pure; the clock is an argument."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from providers import sounds, sse, tokens, transcripts
from providers.demo import pictures, tones
from providers.errors import RequestRejected
from providers.uploads import Upload

Body = Mapping[str, Any]
JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"
SIZE = "1024x1024"
# those that OpenAI's answers may name
SIZES = frozenset({SIZE, "1024x1536", "1536x1024"})
# how many dots of a picture, and which part of a second of sound, is a token
DOTS_PER_TOKEN, TOKENS_PER_SECOND = 4096, 10
# characters, as OpenAI has it
MOST_DESCRIBED, MOST_SPOKEN = 32_000, 4_096
SOUNDS = {"wav": "audio/wav", "pcm": "audio/pcm"}
FORMS = frozenset({"json", "verbose_json", "diarized_json", *transcripts.WORDS})


class Made(NamedTuple):
    """An answer: its pieces are sent as they are made."""

    content_type: str
    pieces: Iterable[bytes]


class Engines(NamedTuple):
    """Who draws, speaks and hears. ``draw`` gets the words, both sides and which picture it is of several, and returns
    a PNG; ``speak`` gets the text and the speed and yields samples (16 bits, one channel, 24 kHz), of which ``length``
    counts them beforehand; ``hear`` gets a file and its milliseconds, None where they are unknown, and returns the
    words.
    """

    draw: Callable[[str, int, int, int], bytes]
    speak: Callable[[str, float], Iterable[bytes]]
    length: Callable[[str, float], int]
    hear: Callable[[Upload, int | None], str]


def _heard(upload: Upload, milliseconds: int | None) -> str:
    sound = f"a file of {upload.size} bytes" if milliseconds is None else f"{milliseconds / 1000:g} seconds of sound"
    return f"This is Tollgate's demo model, which understands no speech: it was sent {sound}."


def _drawn(words: str, width: int, height: int, number: int) -> bytes:
    return pictures.png(words, width, height, number=number)


DEMO = Engines(_drawn, tones.spoken, tones.length, _heard)


# pictures ---------------------------------------------------------------------------------------------------------


def images(body: Body, now: int, engines: Engines = DEMO) -> Made:
    """Return pictures, or the events of one. Raises ``RequestRejected``."""
    words, (width, height), count = _words(body, "prompt", MOST_DESCRIBED), _sides(body), int(body.get("n") or 1)
    if body.get("output_format") not in (None, "png"):
        raise RequestRejected("Only PNG is drawn here.", param="output_format")
    usage = _drawn_usage(words, width * height, count)
    if _is_true(body.get("stream")):
        return Made(EVENTS, _drawing(body, words, engines, usage, now))
    shown = _shown(engines.draw(words, width, height, number) for number in range(count))
    if body.get("response_format") == "url":
        data = [{"url": f"data:image/png;base64,{each}"} for each in shown]
    else:
        data = [{"b64_json": each} for each in shown]
    said = {"created": now, "data": data, "background": "opaque", "output_format": "png", "quality": "low"}
    size = f"{width}x{height}"
    return _json({**said, **({"size": size} if size in SIZES else {}), "usage": usage})


def _drawing(body: Body, words: str, engines: Engines, usage: dict[str, Any], now: int) -> Iterator[bytes]:
    """Yield a picture's beginnings, as often as they are asked for, and the picture."""
    width, height = _sides(body)
    kind = "image_edit" if "image" in body or "images" in body else "image_generation"
    (picture,) = _shown([engines.draw(words, width, height, 0)])
    size = f"{width}x{height}" if f"{width}x{height}" in SIZES else "auto"
    said = {"b64_json": picture, "created_at": now, "size": size, "quality": "low", "background": "opaque"}
    for index in range(int(body.get("partial_images") or 0)):
        yield _event({"type": f"{kind}.partial_image", **said, "output_format": "png", "partial_image_index": index})
    yield _event({"type": f"{kind}.completed", **said, "output_format": "png", "usage": usage})


def _shown(drawn: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in drawn]


def _sides(body: Body) -> tuple[int, int]:
    said = str(body.get("size") or "auto")
    width, _, height = (SIZE if said == "auto" else said).partition("x")
    sides = (int(width), int(height)) if width.isdigit() and height.isdigit() else (0, 0)
    if not all(1 <= side <= pictures.MOST_SIDE for side in sides):
        raise RequestRejected(f"Pictures drawn here are 1x1 to {pictures.MOST_SIDE}x{pictures.MOST_SIDE}.",
                              param="size")  # fmt: skip
    return sides


def _drawn_usage(words: str, dots: int, count: int) -> dict[str, Any]:
    read, written = tokens.count(words), count * -(-dots // DOTS_PER_TOKEN)
    return {
        "input_tokens": read,
        "input_tokens_details": {"text_tokens": read, "image_tokens": 0},
        "output_tokens": written,
        "total_tokens": read + written,
    }


# sounds -----------------------------------------------------------------------------------------------------------


def speech(body: Body, now: int, engines: Engines = DEMO) -> Made:
    """Return a sound, or its events. Raises ``RequestRejected``."""
    text, speed = _words(body, "input", MOST_SPOKEN), float(body.get("speed") or 1)
    form = body.get("response_format") or "wav"
    if form not in SOUNDS:
        raise RequestRejected("Only sounds of the formats 'wav' and 'pcm' are made here.", param="response_format")
    samples = engines.length(text, speed)
    pieces = _sound(form, text, speed, samples, engines)
    if body.get("stream_format") == "sse":
        return Made(EVENTS, _sound_events(pieces, text, samples))
    return Made(SOUNDS[form], pieces)


def _sound(form: str, text: str, speed: float, samples: int, engines: Engines) -> Iterator[bytes]:
    if form == "wav":
        yield tones.wave_head(samples)
    yield from engines.speak(text, speed)


def _sound_events(pieces: Iterable[bytes], text: str, samples: int) -> Iterator[bytes]:
    for piece in pieces:
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    read, written = tokens.count(text), -(-samples * TOKENS_PER_SECOND // tones.RATE)
    usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    yield _event({"type": "speech.audio.done", "usage": usage})


def transcript(body: Body, now: int, engines: Engines = DEMO) -> Made:
    """Return what is heard in ``file``, or the events of it. Raises ``RequestRejected``."""
    upload, form = body.get("file"), body.get("response_format") or "json"
    if not isinstance(upload, Upload) or upload.size == 0:
        raise RequestRejected("There is no sound in 'file'.", param="file")
    if form not in FORMS:
        raise RequestRejected(f"There is no response_format '{form}'.", param="response_format")
    milliseconds = sounds.milliseconds(upload)
    text = engines.hear(upload, milliseconds)
    usage = _heard_usage(text, milliseconds if milliseconds is not None else sounds.guessed(upload.size))
    if _is_true(body.get("stream")):
        return Made(EVENTS, _transcribing(text, usage))
    said = {"task": "transcribe", "language": "english", "duration": (milliseconds or 0) / 1000, "text": text}
    if form in transcripts.WORDS:
        return Made(transcripts.TEXT, [transcripts.written(said, str(form))])
    if form == "json":
        return _json({"text": text, "usage": usage})
    if form == "diarized_json":
        return _json({**said, "segments": [_spoken_by_a(said)], "usage": usage})
    return _json({**said, "segments": [_segment(said)], "usage": {"type": "duration", "seconds": said["duration"]}})


def _transcribing(text: str, usage: dict[str, Any]) -> Iterator[bytes]:
    for piece in tokens.pieces(text):
        yield _event({"type": "transcript.text.delta", "delta": piece})
    yield _event({"type": "transcript.text.done", "text": text, "usage": usage})


def _segment(said: Mapping[str, Any]) -> dict[str, Any]:
    times = {"id": 0, "seek": 0, "start": 0.0, "end": said["duration"], "text": said["text"], "tokens": []}
    return {**times, "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 1.0, "no_speech_prob": 0.0}


def _spoken_by_a(said: Mapping[str, Any]) -> dict[str, Any]:
    where = {"type": "transcript.text.segment", "id": "seg_0", "start": 0.0, "end": said["duration"]}
    return {**where, "text": said["text"], "speaker": "A"}


def _heard_usage(text: str, milliseconds: int) -> dict[str, Any]:
    read, written = -(-milliseconds * TOKENS_PER_SECOND // 1000), tokens.count(text)
    return {
        "type": "tokens",
        "input_tokens": read,
        "input_token_details": {"text_tokens": 0, "audio_tokens": read},
        "output_tokens": written,
        "total_tokens": read + written,
    }


def _words(body: Body, name: str, most: int) -> str:
    words = str(body.get(name) or "")
    if len(words) > most:
        raise RequestRejected(f"At most {most} characters are taken here.", param=name)
    return words


def _json(value: dict[str, Any]) -> Made:
    return Made(JSON, [msgspec.json.encode(value)])


def _event(value: dict[str, Any]) -> bytes:
    return sse.encode(msgspec.json.encode(value), value["type"].encode())


def _is_true(value: Any) -> bool:
    """A form has no truth of its own, only words."""
    return value is True or value == "true"


MAKERS: Mapping[str, Callable[[Body, int], Made]] = {
    "/images/generations": images,
    "/images/edits": images,
    "/images/variations": images,
    "/audio/speech": speech,
    "/audio/transcriptions": transcript,
    "/audio/translations": transcript,
}
