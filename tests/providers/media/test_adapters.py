"""Pictures and sounds in the words of each service, and its answers in OpenAI's."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.adapters import ADAPTERS, supports
from providers.adapters.shapes import Request, Response
from providers.errors import BadAnswer, RequestRejected, ServerError
from providers.exchange import Exchange
from providers.operations import HEARD, IMAGES, MEDIA, SPEECH
from providers.streamed import ByteReader, EventReader
from tests.providers.samples import BODIES, SECRET, SOUND, target

DOCS = Path(__file__).parents[3] / "docs/media.md"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
JSON, TEXT = {"content-type": "application/json"}, {"content-type": "text/plain; charset=utf-8"}
MISTRAL = {
    "model": "voxtral-mini-latest", "text": "Good day.", "language": None, "segments": [], "finish_reason": None,
    "usage": {"prompt_audio_seconds": 3, "prompt_tokens": 3, "total_tokens": 389, "completion_tokens": 11,
              "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375}},
}  # fmt: skip
TIMED = {**MISTRAL, "segments": [{"text": "Good day.", "start": 0.5, "end": 1.5, "speaker_id": "s1"}]}


def asked(adapter: str, operation: str, options: dict[str, Any] | None = None, **body: Any) -> Request:
    reached = target(adapter)
    if options is not None:
        reached = replace(reached, provider=replace(reached.provider, options=options))
    return Exchange(operation, {**BODIES[operation], **body}, reached).request(NOW)


def heard(adapter: str, body: Any, headers: dict[str, str] = JSON, **said: Any) -> tuple[dict[str, Any], bytes | None]:
    exchange = Exchange("audio.transcriptions", {**BODIES["audio.transcriptions"], **said}, target(adapter))
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return exchange.answer(Response(200, headers, data))


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("images.generations", "/images/generations"), ("images.edits", "/images/edits"),
        ("images.variations", "/images/variations"), ("audio.speech", "/audio/speech"),
        ("audio.transcriptions", "/audio/transcriptions"), ("audio.translations", "/audio/translations"),
    ],
)  # fmt: skip
def test_openais_paths_and_a_form_where_there_are_files(operation, path):
    request = asked("openai", operation)
    has_files = operation not in ("images.generations", "audio.speech")
    assert request.path == path
    assert (request.form is not None) is has_files
    assert ("content-type" in dict(request.headers)) is not has_files
    assert dict(request.headers)["authorization"] == f"Bearer {SECRET}"
    said = dict(request.form.fields) if request.form else json.loads(request.body)
    assert said["model"] == "up-1"
    assert "stream_options" not in said


def test_an_edit_of_linked_pictures_stays_json():
    links = [{"image_url": "https://example.com/a.png"}]
    request = Exchange("images.edits", {"prompt": "x", "images": links}, target("openai")).request(NOW)
    assert json.loads(request.body)["images"] == links


def test_azure_has_them_under_the_deployment():
    request = asked("azure", "audio.transcriptions")
    assert request.path == "/openai/deployments/up-1/audio/transcriptions?api-version=2024-10-21"
    assert dict(request.headers)["api-key"] == SECRET
    assert "content-type" not in dict(request.headers)
    assert not supports("azure", "images.variations")


def test_azures_notes_about_a_picture_are_taken_out():
    said = {"created": 1, "data": [{"b64_json": "x", "content_filter_results": {}, "prompt_filter_results": {}}]}
    exchange = Exchange("images.generations", BODIES["images.generations"], target("azure"))
    answer, raw = exchange.answer(Response(200, JSON, json.dumps(said).encode()))
    assert (answer, raw) == ({"created": 1, "data": [{"b64_json": "x"}]}, None)


@pytest.mark.parametrize(
    ("host", "operation", "said", "sent"),
    [
        ("localai", "images.generations", {"step": 20, "clip_skip": 1, "mode": 2, "negative_prompt": "dogs"},
         {"step": 20, "clip_skip": 1, "mode": 2, "negative_prompt": "dogs"}),
        ("localai", "images.generations", {"step": 0, "clip_skip": 0, "mode": 0, "negative_prompt": ""}, {}),
        ("localai", "audio.speech", {"backend": "piper", "language": "de"}, {"backend": "piper", "language": "de"}),
        ("together", "images.generations", {"size": "512x768", "step": 4, "response_format": "b64_json", "n": 2},
         {"width": 512, "height": 768, "steps": 4, "response_format": "base64", "n": 2}),
        ("together", "images.generations", {"quality": "hd", "mode": 1}, {}),
        ("xai", "images.generations", {"size": "512x512", "n": 2, "step": 3}, {"n": 2}),
        ("groq", "audio.speech", {"voice": "a", "backend": "piper", "instructions": "slowly"}, {"voice": "a"}),
    ],
)  # fmt: skip
def test_a_host_is_told_what_it_knows(host, operation, said, sent):
    body = json.loads(asked(host, operation, **said).body)
    assert {name: value for name, value in body.items() if name not in BODIES[operation]} == sent


def test_what_a_caller_depends_on_is_refused_where_it_is_not_known():
    with pytest.raises(RequestRejected) as refused:
        asked("groq", "audio.speech", stream_format="sse")
    assert (refused.value.param, refused.value.code) == ("stream_format", "unsupported_parameter")


def test_localai_translates_with_a_transcription_that_says_so():
    request = asked("localai", "audio.translations")
    assert request.path == "/audio/transcriptions"
    assert ("translate", "true") in request.form.fields


def test_ollama_hears_beside_its_own_format():
    assert asked("ollama", "audio.transcriptions").path == "/v1/audio/transcriptions"
    assert heard("ollama", {"text": "Good day."})[0] == {"text": "Good day."}


def test_xai_speaks_in_words_of_its_own():
    request = asked("xai", "audio.speech", voice={"id": "eve"}, response_format="wav", instructions="slowly")
    assert request.path == "/tts"
    said = {"text": "Hi", "language": "auto", "voice_id": "eve", "output_format": {"codec": "wav"}}
    assert json.loads(request.body) == said
    assert json.loads(asked("xai", "audio.speech").body) == {"text": "Hi", "language": "auto"}
    with pytest.raises(RequestRejected, match="opus"):
        asked("xai", "audio.speech", response_format="opus")


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, []),
        ({"response_format": "text", "temperature": 0.5}, [("temperature", "0.5")]),
        ({"response_format": "srt"}, [("timestamp_granularities[]", "segment")]),
        ({"response_format": "verbose_json", "timestamp_granularities": ["word"]},
         [("timestamp_granularities[]", "word")]),
        ({"response_format": "diarized_json"}, [("diarize", "true"), ("timestamp_granularities[]", "segment")]),
    ],
)  # fmt: skip
def test_mistral_is_asked_for_what_the_form_needs(said, fields):
    form = asked("mistral", "audio.transcriptions", **said).form
    assert form.files == (("file", SOUND),)
    assert sorted(form.fields) == sorted([("model", "up-1"), *fields])


@pytest.mark.parametrize("name", ["stream", "prompt"])
def test_mistral_is_not_asked_for_what_it_cannot(name):
    with pytest.raises(RequestRejected) as refused:
        asked("mistral", "audio.transcriptions", **{name: True})
    assert refused.value.param == name


def test_a_transcript_of_mistrals_is_told_in_openais_words():
    answer, raw = heard("mistral", MISTRAL)
    assert raw is None or json.loads(raw) == answer
    assert answer["text"] == "Good day."
    assert answer["usage"] == {
        "type": "tokens", "input_tokens": 378, "input_token_details": {"text_tokens": 3, "audio_tokens": 375},
        "output_tokens": 11, "total_tokens": 389, "prompt_audio_seconds": 3,
    }  # fmt: skip
    timed, _ = heard("mistral", TIMED, response_format="verbose_json")
    assert timed["segments"] == [{"id": 0, "start": 0.5, "end": 1.5, "text": "Good day.", "speaker": "s1"}]


@pytest.mark.parametrize(
    ("form", "expected"), [("text", b"Good day.\n"), ("srt", b"1\n00:00:00,500 --> 00:00:01,500\nGood day.\n\n")]
)
def test_words_are_made_of_json_where_that_is_all_there_is(form, expected):
    assert heard("mistral", TIMED, response_format=form)[1] == expected


def test_words_pass_as_they_came():
    said = "1\n00:00:00,000 --> 00:00:01,000\nGood day – bye.\n".encode()
    answer, raw = heard("openai", said, TEXT, response_format="srt")
    assert raw == said
    assert answer == {"text": said.decode()}


def test_words_that_nobody_asked_for_become_json():
    assert heard("openai", b"Good day.", TEXT) == ({"text": "Good day."}, None)


def test_json_passes_as_it_came():
    said = b'{"text": "Good day.",  "usage": {"type": "duration", "seconds": 4}}'
    assert heard("openai", said)[1] == said


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": 5}, [], 5])
def test_a_transcript_without_words_is_none(body):
    with pytest.raises(BadAnswer):
        heard("openai", body)


def test_a_page_for_people_is_neither_a_transcript_nor_a_sound():
    with pytest.raises(BadAnswer):
        heard("openai", b"<html>Please log in</html>", "text/html; charset=utf-8")
    with pytest.raises(BadAnswer):
        Exchange("audio.speech", BODIES["audio.speech"], target("openai")).reader("text/html")


def test_an_error_inside_a_200_is_one():
    with pytest.raises(ServerError):
        heard("openai", {"error": {"message": "x", "code": 500}})


@pytest.mark.parametrize(
    ("operation", "said", "kind", "reader"),
    [
        ("audio.speech", {}, "audio/mpeg", ByteReader),
        ("audio.speech", {}, "application/octet-stream", ByteReader),
        ("audio.speech", {"stream_format": "sse"}, "text/event-stream; charset=utf-8", EventReader),
        ("audio.transcriptions", {"stream": True}, "text/event-stream", EventReader),
        ("images.generations", {"stream": True}, "text/event-stream", EventReader),
    ],
)
def test_a_stream_is_read_by_what_it_is(operation, said, kind, reader):
    exchange = Exchange(operation, {**BODIES[operation], **said}, target("openai"))
    assert isinstance(exchange.reader(kind), reader)


def test_a_sound_where_events_were_asked_for_is_no_answer():
    exchange = Exchange("audio.speech", {**BODIES["audio.speech"], "stream_format": "sse"}, target("openai"))
    with pytest.raises(BadAnswer):
        exchange.reader("audio/mpeg")


def test_the_docs_say_who_does_what():
    table = DOCS.read_text().split("## Who does what")[1].split("\n\n")[1].splitlines()[2:]
    told = {}
    for line in table:
        names, *marks = line.strip("|").split("|")
        does = {name for name, mark in zip((*IMAGES, SPEECH, *HEARD), marks, strict=True) if mark.strip()}
        told |= dict.fromkeys(re.findall("`([a-z_]+)`", names), does)
    assert told == {name: MEDIA & {*adapter.operations} for name, adapter in ADAPTERS.items()
                    if MEDIA & {*adapter.operations}}  # fmt: skip
