"""Transcripts in words: as text, and as subtitles of their segments."""

from __future__ import annotations

import pytest

from providers.transcripts import written

ANSWER = {
    "text": "Good day. Good night.",
    "duration": 3.5,
    "segments": [
        {"start": 0.0, "end": 1.25, "text": " Good day."},
        {"start": 1.25, "end": 3661.0015, "text": "Good night."},
    ],
}
SRT = """1
00:00:00,000 --> 00:00:01,250
Good day.

2
00:00:01,250 --> 01:01:01,002
Good night.

"""
VTT = """WEBVTT

00:00:00.000 --> 00:00:01.250
Good day.

00:00:01.250 --> 01:01:01.002
Good night.

"""


@pytest.mark.parametrize(
    ("form", "expected"), [("text", "Good day. Good night.\n"), ("srt", SRT), ("vtt", VTT)]
)  # fmt: skip
def test_a_transcript_is_written_in_the_form_that_was_asked_for(form, expected):
    assert written(ANSWER, form) == expected.encode()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"text": "Good day.", "duration": 2}, "1\n00:00:00,000 --> 00:00:02,000\nGood day.\n\n"),
        ({"text": "Good day.", "segments": []}, "1\n00:00:00,000 --> 00:00:00,000\nGood day.\n\n"),
        ({"text": " "}, ""),
    ],
)
def test_without_segments_everything_is_one(answer, expected):
    assert written(answer, "srt") == expected.encode()


def test_another_form_is_none_of_words():
    with pytest.raises(ValueError, match="verbose_json"):
        written(ANSWER, "verbose_json")
