"""Speech, hearing and pictures of engines on the gateway's own machine, through OpenAI's client."""

from __future__ import annotations

import base64
import shutil
from importlib.util import find_spec

import openai
import pytest
from openai import OpenAI

from tests.live import Gateway

CONFIGURATION = """
providers:
  - {name: flite, adapter: flite}
  - {name: pocketsphinx, adapter: pocketsphinx}
  - {name: pillow, adapter: pillow}
routes:
  - {model: here-speech, retries: 0, targets: [{provider: flite, upstream_model: flite}]}
  - {model: here-words, retries: 0, targets: [{provider: pocketsphinx, upstream_model: en-us}]}
  - {model: here-picture, retries: 0, targets: [{provider: pillow, upstream_model: pillow}]}
prices:
  - {provider: flite, upstream_model: flite, from: 2026-01-01, character: 0}
  - {provider: pocketsphinx, upstream_model: en-us, from: 2026-01-01, second: 0}
  - {provider: pillow, upstream_model: pillow, from: 2026-01-01, image: 0}
"""
ABSENT = shutil.which("flite") is None or find_spec("pocketsphinx") is None or find_spec("PIL") is None

pytestmark = pytest.mark.skipif(ABSENT, reason="needs the Debian package flite, and tollgate[local]")


@pytest.fixture
def client(gateway: Gateway) -> OpenAI:
    if not hasattr(gateway, "has_engines"):
        gateway.apply(CONFIGURATION)
        gateway.has_engines = True
    return OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=120)


def test_what_is_spoken_here_is_understood_here(gateway: Gateway, client: OpenAI):
    spoken = client.audio.speech.create(
        model="here-speech", voice="alloy", input="Hello world. This is a test of speech.", response_format="wav"
    )
    assert spoken.response.headers["content-type"] == "audio/wav"
    heard = client.audio.transcriptions.create(
        model="here-words", file=("said.wav", spoken.content), response_format="verbose_json",
        timestamp_granularities=["word"],
    )  # fmt: skip
    assert {"hello", "world", "speech"} <= set(heard.text.split())
    assert heard.words
    assert heard.segments
    posted = {row["operation"]: row for row in gateway.records() if row["model"].startswith("here-")}
    assert {operation: (row["provider"], row["cost"]) for operation, row in posted.items()} == {
        "audio.speech": ("flite", 0),
        "audio.transcriptions": ("pocketsphinx", 0),
    }


def test_a_picture_is_drawn_here(client: OpenAI):
    (picture,) = client.images.generate(model="here-picture", prompt="A boat on a lake", size="256x256").data
    assert base64.b64decode(picture.b64_json)[:4] == b"\x89PNG"


def test_what_an_engine_cannot_do_is_refused_in_openais_words(client: OpenAI):
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model="here-speech", voice="alloy", input="Hi", response_format="mp3").read()
    assert caught.value.param == "response_format"
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="here-words", file=("said.mp3", b"ID3 no sound at all"))
    assert caught.value.param == "file"
