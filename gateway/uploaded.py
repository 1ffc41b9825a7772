"""Forms with pictures and sounds as the bodies that the pipeline takes: values of their kinds, files under names."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from gateway import keptpictures
from gateway.fieldchecks import Invalid
from gateway.inquiry import Inquiry
from providers import sounds
from providers.operations import TRANSLATIONS
from providers.uploads import Upload

TRUTH = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
LISTS = frozenset({"timestamp_granularities", "include", "languages", "keywords", "known_speaker_names",
                   "known_speaker_references", "context_bias"})  # fmt: skip

SOUNDS = frozenset({
    "aac", "aif", "aiff", "amr", "caf", "flac", "m4a", "m4b", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpeg", "mpga",
    "oga", "ogg", "opus", "wav", "weba", "webm", "wma",
})  # fmt: skip
PICTURES = frozenset({"png", "jpg", "jpeg", "webp", "gif"})
# how files begin that are called something else
SOUND_HEADS = (b"RIFF", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3", b"FORM")
PICTURE_HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8")


async def heard(inquiry: Inquiry, operation: str) -> str:
    """Make the form of ``inquiry`` a body with a recording, and return the operation that it asks for.

    A transcription that says ``translate`` is a translation (LocalAI). Raises ``Invalid``.
    """
    body = body_of(inquiry.body, inquiry.form.files if inquiry.form is not None else [], ("file",))
    upload = body.get("file")
    if isinstance(upload, Upload):
        _check_kind(upload, ("audio/", "video/"), SOUNDS, SOUND_HEADS, "sound")
        body["file"] = await asyncio.to_thread(sounds.recording, upload)
    inquiry.body = body
    return TRANSLATIONS if body.pop("translate", None) else operation


async def pictured(inquiry: Inquiry) -> None:
    """Make the form of ``inquiry``, or the files that its JSON names, a body with pictures.

    Raises ``Invalid``, and what ``keptpictures.fetch`` does.
    """
    if inquiry.form is None:
        await keptpictures.fetch(inquiry)
    else:
        inquiry.body = body_of(inquiry.body, inquiry.form.files, ("image", "mask"))
    for upload in inquiry.form.files if inquiry.form is not None else ():
        _check_kind(upload, ("image/",), PICTURES, PICTURE_HEADS, "picture")


def body_of(said: Mapping[str, Any], files: Sequence[Upload], names: Sequence[str]) -> dict[str, Any]:
    """Return a form as a body: a file of one of ``names`` under it, several as a list. Raises ``Invalid``."""
    body = {name: _typed(name, value) for name, value in said.items()}
    for upload in files:
        name = upload.field.removesuffix("[]")
        if name not in names:
            raise Invalid(f"No file is expected under the name '{name:.64}'.", name[:64])
        if upload.size == 0:
            raise Invalid(f"The file '{name}' is empty.", name)
        body[name] = _beside(body.get(name), upload, is_list=upload.field.endswith("[]"))
    return body


def _beside(before: Any, upload: Upload, *, is_list: bool) -> Upload | list[Upload]:
    if isinstance(before, list):
        return [*before, upload]
    if isinstance(before, Upload):
        return [before, upload]
    return [upload] if is_list else upload


def _typed(name: str, value: Any) -> Any:
    """Return what a form's words say, of those values that are no words; an empty one says nothing."""
    if name in LISTS and isinstance(value, str):
        return [value]
    kind = KINDS.get(name)
    if kind is None or not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return kind(value.strip())
    except (ValueError, LookupError):
        expected = EXPECTED[kind]
        raise Invalid(f"Invalid type for '{name}': expected {expected}.", name, "invalid_type") from None


def _number(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _truth(value: str) -> bool:
    return TRUTH[value]


KINDS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("n", "output_compression", "partial_images", "step", "clip_skip", "seed"), int),
    **dict.fromkeys(("temperature", "repetition_penalty"), _number),
    **dict.fromkeys(("stream", "translate", "diarize"), _truth),
}
EXPECTED: Mapping[Callable[[str], Any], str] = {int: "an integer", _number: "a number", _truth: "true or false"}


def _check_kind(
    upload: Upload, types: tuple[str, ...], endings: frozenset[str], heads: tuple[bytes, ...], what: str
) -> None:
    """Refuse what by its type, its name and its beginning is something else."""
    ending = PurePosixPath(upload.filename).suffix.lower().removeprefix(".")
    if upload.content_type.startswith(types) or ending in endings:
        return
    if next(upload.pieces(16), b"").startswith(heads):
        return
    name = upload.field.removesuffix("[]")
    raise Invalid(f"Invalid file format: '{name}' is no {what} of a format that is known here.", name, "invalid_file")
