"""Engines on the gateway's own machine: what they take, what they give, and how they say that they are not there."""

from __future__ import annotations

import io
import json
import math
import shutil
import struct
import sys
import wave
from array import array
from importlib.util import find_spec
from typing import Any

import pytest

from providers.adapters import ADAPTERS
from providers.adapters.local import ENGINES
from providers.adapters.shapes import Response
from providers.errors import RequestRejected, ServerError
from providers.exchange import Exchange
from providers.http import httpx
from providers.local import drawing, flite, hearing, waves
from providers.local.programs import EngineFailed, EngineMissing, run
from providers.local.transport import LocalTransport
from providers.targets import Target, Upstream
from providers.uploads import Upload
from tests.providers.samples import BODIES

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="the Debian package flite is not installed")
needs_sphinx = pytest.mark.skipif(find_spec("pocketsphinx") is None, reason="the package pocketsphinx is not installed")
needs_pillow = pytest.mark.skipif(find_spec("PIL") is None, reason="the package pillow is not installed")


def wave_file(samples: array[int], rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return written.getvalue()


def tone(seconds: float, rate: int) -> array[int]:
    return array("h", (round(8000 * math.sin(2 * math.pi * 200 * at / rate)) for at in range(int(seconds * rate))))


TOO_LONG = array("h", bytes(2 * 8000 * 301))


def upload(data: bytes) -> Upload:
    return Upload("file", "a.wav", "audio/wav", len(data), io.BytesIO(data))


# waves


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_a_sound_at_another_rate_is_as_long_and_as_loud(rate):
    sound = waves.read(wave_file(tone(0.5, rate), rate))
    changed = waves.at_rate(sound, 16_000)
    assert (sound.rate, changed.rate) == (rate, 16_000)
    assert changed.seconds == pytest.approx(0.5, abs=0.001)
    assert 7500 <= max(changed.samples) <= 8000
    assert -8000 <= min(changed.samples) <= -7500


def test_channels_are_mixed_into_one():
    stereo = array("h", [100, 300, -100, -300, 32767, 32767])
    assert list(waves.read(wave_file(stereo, channels=2)).samples) == [200, -200, 32767]


def test_raw_samples_are_little_endian():
    assert waves.raw(waves.Wave(16_000, array("h", [1, -2]))) == struct.pack("<2h", 1, -2)


def test_no_samples_are_no_sound():
    empty = waves.read(wave_file(array("h")))
    assert (empty.seconds, waves.at_rate(empty, 8_000).seconds) == (0, 0)


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"ID3\x04 an mp3", b"\x00" * 100, wave_file(array("h", [1]), width=1), wave_file(array("h"), rate=1),
     wave_file(tone(0.1, 8000))[:20]],
)  # fmt: skip
def test_what_is_no_wave_of_16_bits_says_so(data):
    with pytest.raises(waves.NoWave):
        waves.read(data)


# programs


def test_a_program_reads_what_it_is_given_and_nothing_of_our_settings(monkeypatch):
    monkeypatch.setenv("TOLLGATE_SECRET_KEY", "not-for-others")
    told = run([sys.executable, "-c", "import os, sys; print(sys.stdin.read(), sorted(os.environ))"], b"words")
    assert told.startswith(b"words ")
    assert b"TOLLGATE" not in told


def test_a_program_that_fails_or_takes_too_long_has_failed():
    with pytest.raises(EngineFailed, match="ended with 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(EngineFailed, match="longer than"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2)
    with pytest.raises(EngineMissing, match="no-such-program"):
        run(["no-such-program"])


# adapters


@pytest.mark.parametrize("adapter", sorted(ENGINES))
def test_an_engine_is_told_what_it_knows(adapter):
    (operation,) = ADAPTERS[adapter].operations
    target = Target(1, Upstream("here", adapter, f"http://{adapter}"), "m")
    exchange = Exchange(operation, {**BODIES[operation], "instructions": "softly", "backend": "x"}, target)
    request = exchange.request(None)
    assert request.path.startswith(("/audio/", "/images/"))
    assert set(exchange.dropped) == {"instructions", "backend"}
    assert not any(name == "authorization" for name, _ in request.headers)


# speech

SAID: dict[str, Any] = {"input": "Hello world. This is a test of speech.", "voice": "alloy"}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"voice": "nobody"}, "voice"),
        ({"voice": "../../etc/passwd"}, "voice"),
        ({"response_format": "mp3"}, "response_format"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"input": "a" * 5000}, "input"),
    ],
)
def test_what_flite_cannot_say_is_refused_by_name(said, param):
    with pytest.raises(RequestRejected) as caught:
        flite.sound_of({**SAID, **said})
    assert caught.value.param == param


@needs_flite
def test_flite_speaks_in_its_voices_at_the_wanted_speed():
    lengths = {speed: waves.read(flite.sound_of({**SAID, "speed": speed})[1]).seconds for speed in (0.5, 1, 2)}
    assert lengths[0.5] > 1.5 * lengths[1] > 2 * lengths[2] > 0
    assert flite.sound_of(SAID)[0] == "audio/wav"
    assert flite.sound_of({**SAID, "voice": "echo"})[1] != flite.sound_of(SAID)[1]


@needs_flite
def test_raw_samples_are_at_openais_rate():
    kind, pcm = flite.sound_of({**SAID, "response_format": "pcm"})
    seconds = waves.read(flite.sound_of(SAID)[1]).seconds
    assert kind == "audio/pcm"
    assert len(pcm) / 2 / 24_000 == pytest.approx(seconds, abs=0.01)


@needs_flite
@pytest.mark.parametrize(
    "text", ["", "\x00\x07", "-o /tmp/x", "$(id) `id` ; id", "Grüße, 日本語 🦩", "\ud800", "--help"]
)
def test_any_text_is_only_read(text):
    assert waves.read(flite.sound_of({**SAID, "input": text})[1]).rate >= 8_000


# hearing


@pytest.mark.parametrize(
    ("said", "param"),
    [({"file": None}, "file"), ({"file": upload(b"ID3 an mp3")}, "file"), ({"language": "de"}, "language"),
     ({"stream": True}, "stream"), ({"response_format": "diarized_json"}, "response_format"),
     ({"file": upload(wave_file(array("h")))}, "file"), ({"file": upload(wave_file(TOO_LONG, 8000))}, "file")],
)  # fmt: skip
def test_what_cannot_be_heard_is_refused_by_name(said, param):
    with pytest.raises(RequestRejected) as caught:
        hearing.transcript_of({"file": upload(wave_file(tone(0.1, 8000), 8000)), **said})
    assert caught.value.param == param


def test_pauses_part_what_is_said(monkeypatch):
    words = [
        {"word": word, "start": start, "end": start + 0.3}
        for word, start in (("hi", 0.1), ("there", 0.5), ("you", 2.0))
    ]
    monkeypatch.setattr(hearing, "_heard", lambda data, seconds: words)
    body = {"file": upload(wave_file(tone(3, 8000), 8000))}
    asked = {**body, "response_format": "verbose_json", "timestamp_granularities": ["word"]}
    told = json.loads(hearing.transcript_of(asked)[1])
    assert [each["text"] for each in told["segments"]] == ["hi there", "you"]
    assert (told["text"], told["duration"], told["words"]) == ("hi there you", 3, words)
    assert told["usage"] == {"type": "duration", "seconds": 3}
    kind, subtitles = hearing.transcript_of({**body, "response_format": "srt"})
    assert kind.startswith("text/plain")
    assert subtitles.startswith(b"1\n00:00:00,100 --> 00:00:00,800\nhi there\n\n2\n")


def test_what_is_not_installed_is_said_with_how_it_is(monkeypatch):
    monkeypatch.setattr(hearing, "find_spec", lambda name: None)
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"tollgate\[local\]"):
        hearing.transcript_of({"file": upload(wave_file(tone(0.1, 8000), 8000))})
    with pytest.raises(EngineMissing, match=r"tollgate\[local\]"):
        drawing.drawn("a", 64, 64, 0)


@needs_flite
@needs_sphinx
def test_what_flite_says_pocketsphinx_hears():
    _, sound = flite.sound_of(SAID)
    told = json.loads(hearing.transcript_of({"file": upload(sound)})[1])
    assert {"hello", "world", "test", "speech"} <= set(told["text"].split())


@needs_sphinx
def test_a_tone_is_nothing_said_or_nearly_nothing():
    told = json.loads(hearing.transcript_of({"file": upload(wave_file(tone(1, 44_100), 44_100))})[1])
    assert len(told["text"].split()) <= 3


# drawing


@needs_pillow
@pytest.mark.parametrize(("width", "height"), [(64, 64), (256, 128), (1, 1)])
def test_pillow_draws_the_words_the_same_each_time(width, height):
    picture = drawing.drawn("A boat on a lake", width, height, 0)
    assert picture[:4] == b"\x89PNG"
    assert struct.unpack(">II", picture[16:24]) == (width, height)
    assert picture == drawing.drawn("A boat on a lake", width, height, 0)
    assert width == 1 or picture != drawing.drawn("A boat on a lake", width, height, 1)
    assert drawing.drawn("日本語 🦩 \x00 " + "x" * 9000, width, height, 0)[:4] == b"\x89PNG"


# the transport


async def asked(path: str, body: dict[str, Any]) -> httpx.Response:
    return await LocalTransport().handle_async_request(httpx.Request("POST", f"http://here{path}", json=body))


@needs_pillow
async def test_pictures_come_as_openai_has_them():
    answer = await asked("/images/generations", {"prompt": "A boat", "size": "64x64", "n": 2, "stream": True})
    told = json.loads(await answer.aread())
    assert (answer.status_code, len(told["data"])) == (200, 2)


async def test_errors_of_engines_are_openais_errors(monkeypatch):
    refused = await asked("/audio/speech", {"input": "a", "voice": "nobody"})
    assert (refused.status_code, json.loads(await refused.aread())["error"]["param"]) == (400, "voice")
    odd = await asked("/audio/speech", {"voice": "slt"})
    assert odd.status_code == 400
    monkeypatch.setattr(flite, "PROGRAM", "no-such-program")
    missing = await asked("/audio/speech", {"input": "a"})
    assert missing.status_code == 501
    seen = Exchange("audio.speech", {"input": "a"}, Target(1, Upstream("here", "flite", "http://flite"), "m"))
    with pytest.raises(ServerError, match="The program 'no-such-program' is not installed on the gateway's machine"):
        seen.answer(Response(501, missing.headers, await missing.aread()))
    monkeypatch.setattr(flite, "PROGRAM", "false")
    failed = await asked("/audio/speech", {"input": "a"})
    assert failed.status_code == 500
