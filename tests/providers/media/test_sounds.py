"""How long a sound is: as its file says, as its bytes are, and never an exception."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import sounds
from providers.demo import tones
from providers.uploads import Upload


def upload(data: bytes, filename: str = "a") -> Upload:
    return Upload("file", filename, "application/octet-stream", len(data), BytesIO(data))


def wave(samples: int, *, length: int | None = None, rate: int = 8000, before: bytes = b"") -> bytes:
    """Return a wave file of 16-bit samples, whose head may say another length."""
    data = bytes(2 * samples)
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    said = len(data) if length is None else length
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + before + b"data" + struct.pack("<I", said)
    return b"RIFF" + struct.pack("<I", (36 + said) & 0xFFFFFFFF) + head + data


def webm(*elements: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff" + sounds.INFO + b"\x90" + b"".join(elements)


SCALE = b"\x2a\xd7\xb1\x83\x0f\x42\x40"
MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)  # 128 kbit/s at 44.1 kHz: 417 bytes of 26.122 ms


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (wave(8000), 1000),
        (wave(4000), 500),
        pytest.param(wave(8000, length=0xFFFFFFFF), 1000, id="written while it was recorded"),
        pytest.param(wave(8000, length=0), 1000, id="no length"),
        pytest.param(wave(8000, length=8000), 500, id="less than there is"),
        pytest.param(wave(8000, before=b"LIST" + struct.pack("<I", 3) + b"abc\0"), 1000, id="other chunks before"),
        pytest.param(webm(SCALE, b"\x44\x89\x88" + struct.pack(">d", 2500.0)), 2500, id="webm"),
        pytest.param(webm(b"\x44\x89\x84" + struct.pack(">f", 2500.0)), 2500, id="webm, usual scale"),
        pytest.param(webm(SCALE), None, id="webm as browsers record it"),
        pytest.param(webm(SCALE, b"\x44\x89\x88" + struct.pack(">d", float("nan"))), None, id="webm, no number"),
        (b"", None),
        (b"hello there, this is no sound", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (wave(8000, rate=0), None),
    ],
)
def test_the_length_is_what_the_file_tells(data, expected):
    assert sounds.milliseconds(upload(data)) == expected


def test_an_mp3_is_measured_by_its_frames():
    assert sounds.milliseconds(upload(MP3_FRAME * 100, "a.mp3")) == pytest.approx(2612, abs=60)


def test_what_the_demo_says_is_as_long_as_it_counts():
    samples = tones.length("a few words", 1.0)
    data = tones.wave_head(samples) + b"".join(tones.spoken("a few words", 1.0))
    assert sounds.milliseconds(upload(data)) == round(samples * 1000 / tones.RATE)


def test_what_cannot_be_measured_is_guessed_and_says_so():
    known, guessed = sounds.recording(upload(wave(8000))), sounds.recording(upload(b"?" * 16_000))
    assert (known.milliseconds, known.is_measured) == (1000, True)
    assert (guessed.milliseconds, guessed.is_measured) == (2000, False)
    assert guessed.milliseconds <= sounds.longest(16_000)


HEADS = st.sampled_from(
    [b"", b"RIFF\x10\0\0\0WAVEfmt ", b"ID3\x04\0\0", b"\xff\xfb\x90\x00", b"fLaC\0\0\0\x22", b"OggS\0\x02",
     b"\0\0\0\x18ftypM4A ", b"\x1a\x45\xdf\xa3", wave(10), MP3_FRAME * 3, b"FORM\0\0\0\0AIFF", webm(SCALE)]
)  # fmt: skip


@given(HEADS, st.binary(max_size=300), st.sampled_from(["a", "a.mp3", "a.m4a", "a.ogg", "a.flac", "a.wav"]))
def test_no_file_is_more_than_unknown(head, rest, filename):
    found = sounds.milliseconds(upload(head + rest, filename))
    assert found is None or 0 < found <= sounds.MOST_MILLISECONDS
