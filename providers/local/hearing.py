"""Transcription by pocketsphinx: what is said in a wave file, in English."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import msgspec

from providers import transcripts
from providers.errors import RequestRejected
from providers.local import waves
from providers.local.programs import EngineMissing, run
from providers.uploads import Upload

PACKAGE = "pocketsphinx"
FORMS = frozenset({"json", "verbose_json", *transcripts.WORDS})
LANGUAGES = frozenset({"", "en", "english"})
MOST_SECONDS = 300
MOST_BYTES = 64 * 2**20
# it hears about as fast as people speak, and takes a while to begin
SECONDS_BESIDE = 60.0
# a silence of so many seconds ends a segment
PAUSE = 0.5


def transcript_of(body: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the content type and the bytes of the transcript. Raises ``RequestRejected``, ``EngineFailed``."""
    form = body.get("response_format") or "json"
    if form not in FORMS:
        raise RequestRejected(f"There is no response_format '{form}' here.", param="response_format")
    if body.get("stream") in (True, "true"):
        raise RequestRejected("Nothing is heard word by word here: there is no stream.", param="stream")
    if str(body.get("language") or "").lower() not in LANGUAGES:
        raise RequestRejected("Only English is understood here.", param="language")
    data = _data(body.get("file"))
    sound = _sound(data)
    words = _heard(data, sound.seconds)
    told = _told(words, sound.seconds)
    if form in transcripts.WORDS:
        return transcripts.TEXT, transcripts.written(told, form)
    seconds = {"type": "duration", "seconds": math.ceil(sound.seconds)}
    if form == "json":
        return transcripts.JSON, msgspec.json.encode({"text": told["text"], "usage": seconds})
    if "word" in (body.get("timestamp_granularities") or ()):
        told["words"] = words
    return transcripts.JSON, msgspec.json.encode({**told, "usage": seconds})


def _data(upload: Any) -> bytes:
    if not isinstance(upload, Upload) or not upload.size:
        raise RequestRejected("There is no sound in 'file'.", param="file")
    if upload.size > MOST_BYTES:
        raise RequestRejected(f"At most {MOST_BYTES} bytes of sound are heard here.", param="file")
    return upload.read()


def _sound(data: bytes) -> waves.Wave:
    try:
        sound = waves.read(data)
    except waves.NoWave as error:
        raise RequestRejected(f"Only wave files are heard here, and of this one {error}.", param="file") from error
    if not 0 < sound.seconds <= MOST_SECONDS:
        raise RequestRejected(f"Sounds of up to {MOST_SECONDS} seconds are heard here.", param="file")
    return sound


def _heard(data: bytes, seconds: float) -> list[dict[str, Any]]:
    if find_spec(PACKAGE) is None:
        raise EngineMissing("The package 'pocketsphinx' is not installed: pip install 'tollgate[local]'.")
    told = run([sys.executable, "-m", "providers.local.sphinx"], data, SECONDS_BESIDE + 2 * seconds)
    words: list[dict[str, Any]] = msgspec.json.decode(told)["words"]
    return words


def _told(words: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    segments = [_segment(number, each) for number, each in enumerate(_stretches(words))]
    return {
        "task": "transcribe",
        "language": "english",
        "duration": round(seconds, 3),
        "text": " ".join(each["word"] for each in words),
        "segments": segments,
    }


def _stretches(words: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the words between silences."""
    found: list[list[dict[str, Any]]] = []
    for word in words:
        if not found or word["start"] - found[-1][-1]["end"] > PAUSE:
            found.append([])
        found[-1].append(word)
    return found


def _segment(number: int, words: list[dict[str, Any]]) -> dict[str, Any]:
    said = {"start": words[0]["start"], "end": words[-1]["end"], "text": " ".join(each["word"] for each in words)}
    unknown = {"tokens": [], "temperature": 0.0, "avg_logprob": 0.0, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    return {"id": number, "seek": 0, **said, **unknown}
