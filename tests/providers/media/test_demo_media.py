"""The demo's pictures and sounds: the same for the same words, and whole."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import sounds
from providers.demo import media, pictures, tones
from providers.demo.media import DEMO, Engines, Made
from providers.errors import RequestRejected
from tests.providers.samples import uploaded

WAVE = uploaded("file", "a.wav", "audio/wav", tones.wave_head(24_000) + bytes(48_000))


def told(made: Made) -> Any:
    return json.loads(b"".join(made.pieces))


def events(made: Made) -> list[dict[str, Any]]:
    assert made.content_type == media.EVENTS
    return [json.loads(piece.partition(b"data: ")[2]) for piece in made.pieces]


@given(st.text(max_size=20), st.integers(1, 60), st.integers(1, 60))
def test_a_picture_is_the_same_for_the_same_words(words, width, height):
    assert pictures.png(words, width, height) == pictures.png(words, width, height)


@given(st.text(max_size=60), st.floats(0.25, 4))
def test_a_sound_is_as_long_as_it_says_before(text, speed):
    samples = b"".join(tones.spoken(text, speed))
    assert len(samples) == tones.length(text, speed) * tones.BYTES_PER_SAMPLE


def test_who_speaks_faster_needs_less_time():
    assert tones.length("a few words", 2) < tones.length("a few words", 1) < tones.length("a few words", 0.5)


@pytest.mark.parametrize(
    ("make", "body", "param"),
    [
        (media.images, {"prompt": "x", "size": "9999x9999"}, "size"),
        (media.images, {"prompt": "x", "output_format": "webp"}, "output_format"),
        (media.speech, {"input": "x", "response_format": "opus"}, "response_format"),
        (media.images, {"prompt": "x" * 32_001}, "prompt"),
        (media.speech, {"input": "x" * 4_097}, "input"),
        (media.transcript, {"file": "x"}, "file"),
        (media.transcript, {"file": WAVE, "response_format": "pdf"}, "response_format"),
    ],
)
def test_what_it_cannot_make_is_refused_by_name(make, body, param):
    with pytest.raises(RequestRejected) as refused:
        make(body, 0)
    assert refused.value.param == param


def test_an_edit_has_events_of_its_own():
    body = {"prompt": "x", "image": WAVE, "stream": "true", "size": "64x64", "partial_images": "1"}
    assert [event["type"] for event in events(media.images(body, 0))] == [
        "image_edit.partial_image", "image_edit.completed",
    ]  # fmt: skip


def test_another_engine_can_take_its_place():
    def hear(upload: Any, milliseconds: int | None) -> str:
        return f"{upload.filename}, {milliseconds} ms"

    engines = Engines(lambda words, *_: words.encode(), lambda *_: [b"ab", b"cd"], lambda *_: 2, hear)
    drawn = told(media.images({"prompt": "boat"}, 0, engines))
    assert base64.b64decode(drawn["data"][0]["b64_json"]) == b"boat"
    said = b"".join(media.speech({"input": "x", "response_format": "wav"}, 0, engines).pieces)
    assert said == tones.wave_head(2) + b"abcd"
    assert told(media.transcript({"file": WAVE}, 0, engines))["text"] == "a.wav, 1000 ms"


def test_what_is_no_sound_has_no_length():
    text = told(media.transcript({"file": uploaded("file", "a.bin", "x/y", b"?" * 800)}, 0))
    assert "800 bytes" in text["text"]
    assert text["usage"]["input_tokens"] == 1
    assert sounds.guessed(800) == 100
    assert DEMO.hear(WAVE, 1500).endswith("1.5 seconds of sound.")
