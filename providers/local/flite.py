"""Speech by the program flite: one of its voices reads a text."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.errors import RequestRejected
from providers.local import waves
from providers.local.programs import EngineFailed, run

PROGRAM = "flite"
# its own, and what those of OpenAI's sound like the most
VOICES: Mapping[str, str] = {
    **{name: name for name in ("slt", "rms", "awb", "kal", "kal16")},
    **dict.fromkeys(("alloy", "coral", "nova", "sage", "shimmer", "marin"), "slt"),
    **dict.fromkeys(("ash", "ballad", "echo", "verse", "cedar"), "rms"),
    "fable": "awb",
    "onyx": "kal16",
}
DEFAULT = "slt"
KINDS: Mapping[str, str] = {"wav": "audio/wav", "pcm": "audio/pcm"}
# what OpenAI's raw samples are
PCM_RATE = 24_000
MOST_CHARACTERS = 4096
# at a quarter of the speed so many characters take a quarter of an hour
MOST_BYTES = 64 * 2**20


def sound_of(body: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the content type and the bytes of what is said. Raises ``RequestRejected``, ``EngineFailed``."""
    text, form = str(body["input"]), body.get("response_format") or "wav"
    if form not in KINDS:
        raise RequestRejected("flite speaks in the formats 'wav' and 'pcm' only.", param="response_format")
    if body.get("stream_format") == "sse":
        raise RequestRejected("flite sends a sound, no events of one.", param="stream_format")
    if len(text) > MOST_CHARACTERS:
        raise RequestRejected(f"flite reads at most {MOST_CHARACTERS} characters at a time.", param="input")
    sound = _spoken(text, _voice(body.get("voice")), float(body.get("speed") or 1))
    return KINDS[form], sound if form == "wav" else waves.raw(waves.at_rate(waves.read(sound), PCM_RATE))


def _voice(said: Any) -> str:
    name = said.get("id") if isinstance(said, Mapping) else said
    if name is None:
        return DEFAULT
    if name not in VOICES:
        raise RequestRejected(f"There is no such voice here: {', '.join(sorted(VOICES))}.", param="voice")
    return VOICES[name]


def _spoken(text: str, voice: str, speed: float) -> bytes:
    """Return a wave file. The text goes by a file: nothing in it is a word of the command."""
    with tempfile.TemporaryDirectory(prefix="tollgate-flite-") as folder:
        asked, told = Path(folder, "text"), Path(folder, "sound.wav")
        asked.write_text(_readable(text), encoding="utf-8", errors="replace")
        stretch = f"duration_stretch={1 / speed:.4f}"
        run([PROGRAM, "-voice", voice, "--setf", stretch, "-f", str(asked), "-o", str(told)])
        if not told.is_file() or not 0 < told.stat().st_size <= MOST_BYTES:
            raise EngineFailed(f"'{PROGRAM}' has said nothing.")
        return told.read_bytes()


def _readable(text: str) -> str:
    """Return the text without what no voice can say; nothing at all is a pause."""
    return "".join(char if char.isprintable() else " " for char in text).strip() or "."
