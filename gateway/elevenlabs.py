"""Speech as ElevenLabs' clients ask for it, and LocalAI's at the same address: as a body of OpenAI's. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from gateway.fieldchecks import Invalid, checked, filled, mapping, string

DOOR = "text-to-speech"
FIELDS = {
    "text": filled, "input": filled, "model_id": filled, "model": filled, "voice": string, "backend": string,
    "language_code": string, "language": string, "voice_settings": mapping, "output_format": string,
}  # fmt: skip
# ElevenLabs names a sound's rates too; of those that OpenAI's formats have, any will do but for bare samples
FORMATS = {"mp3": "mp3", "opus": "opus", "wav": "wav"}
SAMPLES = "pcm_24000"
# what is said here in other words, or to nobody
OURS = frozenset(FIELDS) | {"response_format", "stream"}


def speech_of(body: Any, voice: str, query: bytes) -> dict[str, Any]:
    """Return the body of ``audio.speech``: ``{text, model_id}`` or ``{input, model}``, the voice from the path.

    Raises ``Invalid`` in the words of what was sent.
    """
    said = {name: value for name, value in checked(body, (), FIELDS).items() if value is not None}
    text = said.get("text", said.get("input"))
    if text is None:
        raise Invalid("Missing required parameter: 'text'.", "text", "missing_required_parameter")
    asked = parse_qs(query.decode("latin-1")).get("output_format", [said.get("output_format")])[-1]
    settings = said.get("voice_settings", {})
    speech = {
        **{name: value for name, value in said.items() if name not in OURS},
        "input": text,
        "voice": voice,
        "model": said.get("model_id", said.get("model")),
        "language": said.get("language_code", said.get("language")),
        "backend": said.get("backend"),
        "speed": settings.get("speed"),
        "response_format": _format(asked) if asked else said.get("response_format"),
    }
    return {name: value for name, value in speech.items() if value is not None}


def _format(asked: str) -> str:
    name = asked.partition("_")[0]
    if asked == SAMPLES:
        return "pcm"
    if name not in FORMATS:
        raise Invalid(
            f"Unsupported value for 'output_format': '{asked:.64}'. Sounds here are mp3, opus, wav, or {SAMPLES}.",
            "output_format",
            "unsupported_value",
        )
    return FORMATS[name]
