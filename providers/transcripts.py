"""A transcript in the form that the caller asked for, where its upstream has given another. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
WORDS = frozenset({"text", "srt", "vtt"})


def written(answer: Mapping[str, Any], form: str) -> bytes:
    """Return a transcript in words: the text, or subtitles of its segments. Raises ``ValueError`` for other forms."""
    if form == "text":
        return f"{answer['text']}\n".encode()
    if form == "srt":
        return "".join(_srt(number, *cue) for number, cue in enumerate(_cues(answer), 1)).encode()
    if form == "vtt":
        return ("WEBVTT\n\n" + "".join(_vtt(*cue) for cue in _cues(answer))).encode()
    raise ValueError(f"{form} is no form of words")


def _cues(answer: Mapping[str, Any]) -> Iterator[tuple[float, float, str]]:
    """Yield the segments' begin, end and text; one for everything where there are none."""
    segments = answer.get("segments")
    if isinstance(segments, list) and segments:
        for segment in segments:
            yield float(segment["start"]), float(segment["end"]), str(segment["text"]).strip()
    elif answer["text"].strip():
        yield 0.0, float(answer.get("duration") or 0), answer["text"].strip()


def _srt(number: int, start: float, end: float, text: str) -> str:
    return f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"


def _vtt(start: float, end: float, text: str) -> str:
    return f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n"


def _clock(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(max(0.0, seconds) * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{milliseconds:03}"
