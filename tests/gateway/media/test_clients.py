"""OpenAI's own client, pictures and sounds, in front of the demo."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator

import openai
import pytest

from tests.gateway.media.samples import PNG, wave
from tests.live import Gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


def sides(png: bytes) -> tuple[int, int]:
    """Return how wide and high a picture is, all of which can be read."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, data, shape = 8, b"", (0, 0)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        name, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(name + content),)
        shape = struct.unpack_from(">II", content) if name == b"IHDR" else shape
        data += content if name == b"IDAT" else b""
        at += 12 + length
    assert len(zlib.decompress(data)) == (shape[0] + 1) * shape[1]
    return shape


def test_a_picture_has_the_size_that_was_asked_for(client: openai.OpenAI):
    answer = client.images.generate(model="demo", prompt="A boat", size="640x480", n=2)
    pictures = [base64.b64decode(item.b64_json) for item in answer.data]
    assert [sides(picture) for picture in pictures] == [(640, 480), (640, 480)]
    assert pictures[0] != pictures[1]
    assert b"demo" in pictures[0]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_the_same_words_are_the_same_picture(client: openai.OpenAI):
    one, other = (client.images.generate(model="demo", prompt="A boat", size="64x64").data[0] for _ in range(2))
    assert one.b64_json == other.b64_json


def test_a_picture_can_be_watched(client: openai.OpenAI):
    stream = client.images.generate(model="demo", prompt="A boat", size="1024x1024", stream=True, partial_images=2)
    events = list(stream)
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert sides(base64.b64decode(events[-1].b64_json)) == (1024, 1024)
    assert events[-1].usage.output_tokens > 0


def test_pictures_are_edited(client: openai.OpenAI):
    answer = client.images.edit(model="demo", prompt="x", image=[("a.png", PNG), ("b.png", PNG)], size="64x64")
    assert sides(base64.b64decode(answer.data[0].b64_json)) == (64, 64)
    stream = client.images.edit(model="demo", prompt="x", image=("a.png", PNG), stream=True)
    assert [event.type for event in stream] == ["image_edit.completed"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_picture_is_varied(client: openai.OpenAI):
    answer = client.images.create_variation(model="demo", image=("a.png", PNG), size="256x256", response_format="url")
    assert answer.data[0].url.startswith("data:image/png;base64,")


@pytest.mark.parametrize(("form", "begins"), [("wav", b"RIFF"), ("pcm", b"\0")])
def test_a_text_is_said_aloud(client: openai.OpenAI, form: str, begins: bytes):
    with client.audio.speech.with_streaming_response.create(
        model="demo", voice="alloy", input="Good day to you", response_format=form
    ) as answer:
        data = b"".join(answer.iter_bytes())
    assert answer.headers["content-type"] == f"audio/{form}"
    assert data.startswith(begins)
    assert len(data) > 10_000
    assert len(data) % 2 == 0


def test_what_is_said_in_events_is_what_is_said_in_bytes(client: openai.OpenAI):
    asked = {"model": "demo", "voice": "alloy", "input": "Good day", "response_format": "wav"}
    with client.audio.speech.with_streaming_response.create(**asked) as answer:
        data = answer.read()
    with client.audio.speech.with_streaming_response.create(**asked, stream_format="sse") as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    events = [json.loads(line) for line in lines]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == data
    assert events[-1]["type"] == "speech.audio.done"


def test_a_format_that_the_demo_cannot_make_is_refused_by_name(client: openai.OpenAI):
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(model="demo", voice="alloy", input="Hi", response_format="mp3")
    assert refused.value.param == "response_format"


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"])
def test_the_demo_says_how_much_it_was_sent(client: openai.OpenAI, form: str):
    sound = ("a.wav", wave(2500))
    answer = client.audio.transcriptions.create(model="demo", file=sound, response_format=form)
    assert "2.5 seconds" in (answer if isinstance(answer, str) else answer.text)


def test_words_come_one_by_one(client: openai.OpenAI):
    stream = client.audio.transcriptions.create(model="demo", file=("a.wav", wave(2500)), stream=True)
    *deltas, done = list(stream)
    assert "".join(event.delta for event in deltas) == done.text
    assert done.usage.total_tokens > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_said_can_be_heard(client: openai.OpenAI):
    said = client.audio.speech.create(model="demo", voice="alloy", input="Good day", response_format="wav").content
    heard = client.audio.translations.create(model="demo", file=("a.wav", said))
    assert "seconds of sound" in heard.text


def test_without_a_model_the_default_answers(gateway: Gateway):
    answer = gateway.post("/v1/images/generations", {"prompt": "A boat", "size": "64x64"})
    assert (answer.status_code, answer.headers["x-tollgate-model"]) == (200, "demo")
