"""Transcripts by Mistral: what is asked in its words, and its usage in OpenAI's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.adapters.values import count
from providers.parameters import Rule, sent, translated, unsupported

PARAMETERS: Mapping[str, Rule] = sent(
    "language", "temperature", "timestamp_granularities", "diarize", "context_bias"
) | translated("response_format")  # fmt: skip
# What needs to know when something was said: it times only what it is asked to.
TIMED = frozenset({"srt", "vtt", "verbose_json", "diarized_json"})


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a transcription: its answers have one form only, from which the others are made.

    Raises ``RequestRejected`` for a stream, which has events of its own there, and for a prompt: it takes none.
    """
    for name in ("stream", "prompt"):
        if body.get(name):
            raise unsupported(name)
    form = body.get("response_format")
    said = {name: value for name, value in body.items() if name not in ("response_format", "stream", "prompt")}
    if form == "diarized_json":
        said["diarize"] = True
    if form in TIMED and "timestamp_granularities" not in said:
        said["timestamp_granularities"] = ["segment"]
    return said


def transcript(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a transcript in OpenAI's words. Raises ``BadAnswer`` where a count is none."""
    said = {name: answer[name] for name in ("language", "words") if answer.get(name)}
    if segments := answer.get("segments"):
        said["segments"] = [_segment(number, segment) for number, segment in enumerate(segments)]
    if isinstance(usage := answer.get("usage"), dict):
        seconds = usage.get("prompt_audio_seconds")
        said |= {"usage": _usage(usage), **({} if seconds is None else {"duration": seconds})}
    return {"text": answer["text"], **said}


def _segment(number: int, told: Mapping[str, Any]) -> dict[str, Any]:
    speaker = told.get("speaker_id")
    said = {"id": number, "start": told["start"], "end": told["end"], "text": told["text"]}
    return said if speaker is None else {**said, "speaker": speaker}


def _usage(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return tokens, and the seconds of sound that most of its models are billed by."""
    details = told.get("prompt_tokens_details")
    audio = count(details.get("audio_tokens")) if isinstance(details, dict) else 0
    text, written = count(told.get("prompt_tokens")), count(told.get("completion_tokens"))
    return {
        "type": "tokens",
        "input_tokens": text + audio,
        "input_token_details": {"text_tokens": text, "audio_tokens": audio},
        "output_tokens": written,
        "total_tokens": text + audio + written,
        "prompt_audio_seconds": told.get("prompt_audio_seconds"),
    }
