"""Forms of pictures and sounds, and speech in other dialects, as the bodies that the pipeline takes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.elevenlabs import speech_of
from gateway.fieldchecks import Invalid
from gateway.forms import Form
from gateway.inquiry import Inquiry
from gateway.uploaded import heard, pictured
from gateway.validation import validate
from providers.operations import TRANSCRIPTIONS, TRANSLATIONS
from providers.uploads import Upload
from tests.gateway.media.samples import PNG, sound, upload, wave

PICTURE = upload("image", PNG, "a.png", "image/png")
MASK = upload("mask", PNG, "m.png", "image/png")
SOUND = upload(data=wave(500))


def inquiry(*files: Upload, **fields: Any) -> Inquiry:
    form = Form(list(fields.items()), list(files))
    return Inquiry({}, body=form.body(), form=form)


async def test_words_of_a_form_become_what_they_say():
    asked = inquiry(
        SOUND, model="m", temperature="0.5", stream="true", language="de", prompt="0.5",
        **{"timestamp_granularities[]": "word", "include": "logprobs", "chunking_strategy[type]": "server_vad"},
    )  # fmt: skip
    assert await heard(asked, TRANSCRIPTIONS) == TRANSCRIPTIONS
    file = asked.body.pop("file")
    assert asked.body == {
        "model": "m", "temperature": 0.5, "stream": True, "language": "de", "prompt": "0.5",
        "timestamp_granularities": ["word"], "include": ["logprobs"], "chunking_strategy": {"type": "server_vad"},
    }  # fmt: skip
    assert (file.milliseconds, file.is_measured) == (500, True)
    validate(TRANSCRIPTIONS, {**asked.body, "file": file})


@pytest.mark.parametrize(("said", "operation"), [("true", TRANSLATIONS), ("false", TRANSCRIPTIONS)])
async def test_a_transcription_that_says_translate_is_a_translation(said, operation):
    asked = inquiry(SOUND, translate=said)
    assert await heard(asked, TRANSCRIPTIONS) == operation
    assert "translate" not in asked.body


async def test_pictures_stand_under_their_names():
    asked = inquiry(PICTURE, upload("image", PNG, "b.png"), MASK, prompt="x", n="2")
    await pictured(asked)
    assert (len(asked.body["image"]), asked.body["mask"], asked.body["n"]) == (2, MASK, 2)
    alone = inquiry(upload("image[]", PNG, "b.png"), prompt="x")
    await pictured(alone)
    assert len(alone.body["image"]) == 1
    validate("images.edits", asked.body)


async def test_json_is_left_as_it_is():
    asked = Inquiry({}, body={"prompt": "x", "images": []})
    await pictured(asked)
    assert asked.body == {"prompt": "x", "images": []}


@pytest.mark.parametrize(
    ("files", "fields", "param", "code"),
    [
        ([upload(data=b"%PDF-1.7", filename="a.pdf", kind="application/pdf")], {}, "file", "invalid_file"),
        ([upload(data=b"")], {}, "file", "invalid_value"),
        ([upload("audio", wave(10))], {}, "audio", "invalid_value"),
        ([SOUND], {"temperature": "warm"}, "temperature", "invalid_type"),
        ([SOUND], {"temperature": "nan"}, "temperature", "invalid_type"),
        ([SOUND], {"stream": "perhaps"}, "stream", "invalid_type"),
    ],
)
async def test_what_is_wrong_with_a_form_of_sound_is_named(files, fields, param, code):
    with pytest.raises(Invalid) as refused:
        await heard(inquiry(*files, **fields), TRANSCRIPTIONS)
    assert (refused.value.param, refused.value.code) == (param, code)


@pytest.mark.parametrize(
    ("data", "filename", "kind"),
    [(wave(10), "blob", "application/octet-stream"), (b"??", "a.mp3", "application/octet-stream"),
     (b"??", "blob", "audio/x-new"), (b"??", "a.webm", "video/webm")],
)  # fmt: skip
async def test_a_sound_is_one_by_its_type_its_name_or_its_beginning(data, filename, kind):
    asked = inquiry(upload(data=data, filename=filename, kind=kind))
    await heard(asked, TRANSCRIPTIONS)
    assert asked.body["file"].size == len(data)


async def test_a_picture_that_is_none_is_refused():
    with pytest.raises(Invalid) as refused:
        await pictured(inquiry(upload("image", b"GARBAGE", "a.txt", "text/plain"), prompt="x"))
    assert (refused.value.param, refused.value.code) == ("image", "invalid_file")


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        ("images.generations", {}, "prompt"),
        ("images.generations", {"prompt": " "}, "prompt"),
        ("images.generations", {"prompt": "x", "n": 0}, "n"),
        ("images.generations", {"prompt": "x", "n": 11}, "n"),
        ("images.generations", {"prompt": "x", "n": "2"}, "n"),
        ("images.generations", {"prompt": "x", "size": "big"}, "size"),
        ("images.generations", {"prompt": "x", "size": 512}, "size"),
        ("images.generations", {"prompt": "x", "size": "0x512"}, "size"),
        ("images.generations", {"prompt": "x", "response_format": "png"}, "response_format"),
        ("images.generations", {"prompt": "x", "partial_images": 4}, "partial_images"),
        ("images.edits", {"prompt": "x", "image": "a.png"}, "image"),
        ("images.edits", {"prompt": "x", "image": [PICTURE] * 17}, "image"),
        ("images.edits", {"prompt": "x", "images": []}, "images"),
        ("images.edits", {"prompt": "x", "images": [{"image_url": "file:///etc/passwd"}]}, "images[0].image_url"),
        ("images.edits", {"prompt": "x", "images": [{}]}, "images[0].image_url"),
        ("images.edits", {"prompt": "x", "images": [{"file_id": " "}]}, "images[0].file_id"),
        ("images.edits", {"prompt": "x", "images": ["file-1"]}, "images[0]"),
        ("images.variations", {}, "image"),
        ("images.variations", {"image": [PICTURE, PICTURE]}, "image"),
        ("audio.speech", {}, "input"),
        ("audio.speech", {"input": ""}, "input"),
        ("audio.speech", {"input": "x", "speed": 5}, "speed"),
        ("audio.speech", {"input": "x", "voice": 5}, "voice"),
        ("audio.speech", {"input": "x", "response_format": "exe"}, "response_format"),
        ("audio.speech", {"input": "x", "stream_format": "ndjson"}, "stream_format"),
        ("audio.transcriptions", {}, "file"),
        ("audio.transcriptions", {"file": "a.wav"}, "file"),
        ("audio.transcriptions", {"file": sound(10), "response_format": "pdf"}, "response_format"),
        ("audio.transcriptions", {"file": sound(10), "temperature": 2}, "temperature"),
        ("audio.transcriptions", {"file": sound(10), "timestamp_granularities": ["hour"]},
         "timestamp_granularities[0]"),
        ("audio.translations", {"file": sound(10), "response_format": "diarized_json"}, "response_format"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_named(operation, body, param):
    with pytest.raises(Invalid) as refused:
        validate(operation, body)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("body", "query", "speech"),
    [
        ({"text": "Hi", "model_id": "m"}, b"", {"input": "Hi", "voice": "v", "model": "m"}),
        ({"input": "Hi", "model": "m", "voice": "other", "backend": "piper"}, b"",
         {"input": "Hi", "voice": "v", "model": "m", "backend": "piper"}),
        ({"text": "Hi", "language_code": "de", "voice_settings": {"speed": 0.5, "stability": 1}, "seed": 7}, b"",
         {"input": "Hi", "voice": "v", "language": "de", "speed": 0.5, "seed": 7}),
        ({"text": "Hi"}, b"output_format=mp3_44100_128", {"input": "Hi", "voice": "v", "response_format": "mp3"}),
        ({"text": "Hi"}, b"output_format=pcm_24000", {"input": "Hi", "voice": "v", "response_format": "pcm"}),
        ({"text": "Hi", "output_format": "opus_48000_32"}, b"",
         {"input": "Hi", "voice": "v", "response_format": "opus"}),
        ({"input": "Hi", "response_format": "wav"}, b"", {"input": "Hi", "voice": "v", "response_format": "wav"}),
    ],
)  # fmt: skip
def test_speech_is_asked_for_as_localai_and_elevenlabs_do(body, query, speech):
    assert speech_of(body, "v", query) == speech


@pytest.mark.parametrize(
    ("body", "query", "param"),
    [
        ({}, b"", "text"), ([], b"", None), ({"text": 5}, b"", "text"),
        ({"text": "Hi", "model_id": 5}, b"", "model_id"),
        ({"text": "Hi"}, b"output_format=ulaw_8000", "output_format"),
        ({"text": "Hi"}, b"output_format=pcm_16000", "output_format"),
        ({"text": "Hi", "voice_settings": 5}, b"", "voice_settings"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_speech_is_named_as_it_was_said(body, query, param):
    with pytest.raises(Invalid) as refused:
        speech_of(body, "v", query)
    assert refused.value.param == param
