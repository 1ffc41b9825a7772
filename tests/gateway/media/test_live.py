"""Pictures and sounds through the outermost door: what goes up, what comes back, when, and what it costs."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from typing import Any

import httpx2 as httpx
import pytest

from tests.gateway.media.samples import PNG, wave
from tests.gateway.media.upstream import PICTURE, MediaUpstream
from tests.live import Gateway

UNITS = ("operation", "status", "images", "milliseconds", "characters", "input_tokens", "output_tokens",
         "image_in_tokens", "image_out_tokens", "cost", "estimated")  # fmt: skip
SAY = {"model": "says", "input": "Hello there", "voice": "alloy"}
DRAW = {"model": "draws", "prompt": "A boat"}
HEARD = {"text": "Good day."}
SOUND = ("a.wav", wave(3700), "audio/wav")


def drawn(count: int = 1, **said: Any) -> dict[str, Any]:
    return {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}] * count, **said}


def hear(running: Gateway, path: str = "transcriptions", model: str = "hears", **fields: Any) -> httpx.Response:
    with running.client() as client:
        return client.post(f"/v1/audio/{path}", data={"model": model, **fields}, files={"file": SOUND})


def record(running: Gateway, answer: httpx.Response) -> dict[str, Any]:
    request_id = answer.headers["x-request-id"]
    running.record(request_id)
    (row,) = running.sql(f"SELECT {', '.join(UNITS)} FROM billing_usagerecord WHERE request_id = %s", request_id)
    return {name: value for name, value in zip(UNITS, row, strict=True) if value}


def test_the_first_of_a_sound_is_there_while_the_rest_is_being_made(running: Gateway, studio: MediaUpstream):
    go_on = threading.Event()
    studio.will_say(b"first", b"second", kind="audio/mpeg", go_on=go_on)
    with running.client() as client, client.stream("POST", "/v1/audio/speech", json=SAY) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"first"
        assert not go_on.is_set()
        go_on.set()
        assert b"".join(pieces) == b"second"
    assert answer.headers["content-type"] == "audio/mpeg"
    assert record(running, answer) == {
        "operation": "audio.speech", "status": "completed", "characters": 11, "cost": 1_650_000,
    }  # fmt: skip


def test_who_leaves_a_sound_ends_it_and_pays_for_it(running: Gateway, studio: MediaUpstream):
    go_on = threading.Event()
    studio.will_say(b"first", b"second", go_on=go_on)
    with running.client() as client, client.stream("POST", "/v1/audio/speech", json=SAY) as answer:
        assert next(answer.iter_raw()) == b"first"
    until = time.monotonic() + 30
    while not studio.left and time.monotonic() < until:
        time.sleep(0.01)
    go_on.set()
    assert studio.left, "the upstream was never cancelled"
    assert record(running, answer) == {
        "operation": "audio.speech", "status": "client_gone", "characters": 11, "cost": 1_650_000, "estimated": True,
    }  # fmt: skip


def test_a_sound_that_breaks_off_is_no_whole_one(running: Gateway, studio: MediaUpstream):
    studio.will_say(b"first", b"second", cut=True)
    with running.client() as client, client.stream("POST", "/v1/audio/speech", json=SAY) as answer:
        pieces = answer.iter_raw()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            list(pieces)
    assert record(running, answer)["status"] == "upstream_error"


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_voice"), (429, "rate_limit_exceeded"), (503, "overloaded")]
)
def test_an_error_before_the_first_byte_keeps_its_status(
    running: Gateway, studio: MediaUpstream, status: int, code: str
):
    studio.will_answer({"error": {"message": "no", "type": "x", "param": None, "code": code}}, status)
    answer = running.post("/v1/audio/speech", SAY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"


def test_events_of_a_sound_are_passed_on_and_billed_by_what_they_tell(running: Gateway, studio: MediaUpstream):
    usage = {"input_tokens": 3, "output_tokens": 40, "total_tokens": 43}
    events = b'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n' + (
        f"data: {json.dumps({'type': 'speech.audio.done', 'usage': usage})}\n\n".encode()
    )
    studio.will_say(events, kind="text/event-stream")
    answer = running.post("/v1/audio/speech", {**SAY, "model": "draws-by-tokens", "stream_format": "sse"})
    assert answer.content == events
    assert studio.requests[0]["body"]["stream_format"] == "sse"
    assert record(running, answer) == {
        "operation": "audio.speech", "status": "completed", "input_tokens": 3, "output_tokens": 40,
        "cost": 3 * 50_000 + 40 * 400_000,
    }  # fmt: skip


def test_a_form_arrives_whole_and_its_key_stays_here(running: Gateway, studio: MediaUpstream):
    studio.will_answer({**HEARD, "usage": {"type": "duration", "seconds": 4}})
    answer = hear(running, language="de", temperature="0.5", **{"timestamp_granularities[]": ["word", "segment"]})
    assert answer.json() == {**HEARD, "usage": {"type": "duration", "seconds": 4}}
    (request,) = studio.requests
    assert request["path"] == "/v1/audio/transcriptions"
    assert request["files"] == [("file", *SOUND[::2], SOUND[1])]
    assert request["fields"]["model"] == "hears"
    assert request["fields"]["language"] == "de"
    assert request["fields"]["timestamp_granularities[]"] == "segment"
    headers = {name.lower(): value for name, value in request["headers"].items()}
    assert headers["authorization"] == "Bearer upstream-secret"
    assert record(running, answer) == {
        "operation": "audio.transcriptions", "status": "completed", "milliseconds": 4000, "cost": 4_000_000,
    }  # fmt: skip


def test_what_is_tried_again_is_sent_again_whole(running: Gateway, studio: MediaUpstream):
    studio.will_answer({"error": "busy"}, 503)
    studio.will_answer(HEARD)
    answer = hear(running)
    assert answer.json() == HEARD
    assert answer.headers["x-tollgate-attempts"] == "2"
    first, second = studio.requests
    assert first["files"] == second["files"] == [("file", *SOUND[::2], SOUND[1])]
    assert first["fields"] == second["fields"]


def test_another_target_hears_where_the_first_is_away(running: Gateway, studio: MediaUpstream):
    studio.will_answer(HEARD)
    answer = hear(running, model="hears-elsewhere")
    assert (answer.json(), answer.headers["x-tollgate-provider"]) == (HEARD, "studio")


def test_words_stay_words_and_are_billed_by_the_length_of_the_sound(running: Gateway, studio: MediaUpstream):
    said = b"1\n00:00:00,000 --> 00:00:03,700\nGood day.\n"
    studio.will_say(said, kind="text/plain; charset=utf-8")
    answer = hear(running, response_format="srt")
    assert (answer.content, answer.headers["content-type"]) == (said, "text/plain; charset=utf-8")
    assert record(running, answer) == {
        "operation": "audio.transcriptions", "status": "completed", "milliseconds": 3700, "cost": 3_700_000,
    }  # fmt: skip


def test_a_stream_is_one_also_where_the_answer_comes_whole(running: Gateway, studio: MediaUpstream):
    studio.will_answer({**HEARD, "usage": {"type": "duration", "seconds": 4}})
    answer = hear(running, stream="true")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1]["text"] == "Good day."
    assert record(running, answer)["milliseconds"] == 4000


def test_a_transcription_that_says_translate_is_a_translation(running: Gateway, studio: MediaUpstream):
    studio.will_answer(HEARD)
    answer = hear(running, translate="true")
    assert studio.requests[0]["path"] == "/v1/audio/translations"
    assert record(running, answer)["operation"] == "audio.transcriptions"


def test_localais_own_words_reach_localai(running: Gateway, studio: MediaUpstream):
    studio.will_answer(drawn())
    studio.will_say(b"sound", kind="audio/x-wav")
    running.post("/v1/images/generations", {**DRAW, "model": "own", "step": 20, "negative_prompt": "dogs", "mode": 0})
    said = running.post("/v1/audio/speech", {**SAY, "model": "own", "backend": "piper", "language": "de"})
    drawing, saying = (request["body"] for request in studio.requests)
    assert drawing == {"prompt": "A boat", "model": "own", "step": 20, "negative_prompt": "dogs"}
    assert (saying["backend"], saying["language"]) == ("piper", "de")
    assert (said.content, said.headers["content-type"]) == (b"sound", "audio/x-wav")


@pytest.mark.parametrize(
    ("said", "count", "cost"),
    [
        ({}, 1, 0.02), ({"n": 3}, 3, 0.06), ({"size": "256x256"}, 1, 0.016),
        ({"size": "1024x1024", "quality": "hd", "n": 2}, 2, 0.16),
        ({"size": "1024x1024", "quality": "standard"}, 1, 0.02),
    ],
)  # fmt: skip
def test_pictures_are_billed_by_their_number_size_and_quality(
    running: Gateway, studio: MediaUpstream, said: dict[str, Any], count: int, cost: float
):
    studio.will_answer(drawn(count))
    answer = running.post("/v1/images/generations", {**DRAW, **said})
    assert answer.json() == drawn(count)
    assert record(running, answer) == {
        "operation": "images.generations", "status": "completed", "images": count, "cost": round(cost * 10**10),
    }  # fmt: skip


def test_a_picture_whose_size_nobody_asked_for_is_billed_as_what_it_is(running: Gateway, studio: MediaUpstream):
    studio.will_answer(drawn(size="1024x1024", quality="hd"))
    answer = running.post("/v1/images/generations", {**DRAW, "size": "auto"})
    assert record(running, answer)["cost"] == 800_000_000


def test_pictures_are_billed_by_the_tokens_that_are_told(running: Gateway, studio: MediaUpstream):
    usage = {"input_tokens": 12, "output_tokens": 272, "total_tokens": 284, "input_tokens_details": {"text_tokens": 12}}
    studio.will_answer(drawn(usage=usage))
    answer = running.post("/v1/images/generations", {**DRAW, "model": "draws-by-tokens"})
    assert record(running, answer) == {
        "operation": "images.generations", "status": "completed", "input_tokens": 12, "image_out_tokens": 272,
        "cost": 12 * 50_000 + 272 * 400_000,
    }  # fmt: skip


EDITED = {
    "input_tokens": 335, "output_tokens": 4167, "total_tokens": 4502,
    "input_tokens_details": {"text_tokens": 12, "image_tokens": 323},
    "output_tokens_details": {"text_tokens": 7, "image_tokens": 4160},
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_words_and_pictures_read_and_drawn_each_have_their_price(running: Gateway, studio: MediaUpstream, stream: bool):
    """By the prices that are there from the first start on: 5, 8, 10 and 32 USD per million."""
    if stream:
        done = {"type": "image_edit.completed", "b64_json": "AAAA", "usage": EDITED}
        studio.will_say(f"event: {done['type']}\ndata: {json.dumps(done)}\n\n".encode(), kind="text/event-stream")
    else:
        studio.will_answer(drawn(usage=EDITED))
    fields = {"model": "gpt-image-1.5", "prompt": "x", **({"stream": "true"} if stream else {})}
    with running.client() as client:
        answer = client.post("/v1/images/edits", data=fields, files={"image": ("a.png", PNG, "image/png")})
    assert answer.status_code == 200, answer.text
    assert record(running, answer) == {
        "operation": "images.edits", "status": "completed", "input_tokens": 12, "image_in_tokens": 323,
        "output_tokens": 7, "image_out_tokens": 4160,
        "cost": 12 * 50_000 + 323 * 80_000 + 7 * 100_000 + 4160 * 320_000,
    }  # fmt: skip
    verified = running.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def test_a_picture_whose_price_nobody_knows_is_not_drawn(running: Gateway, studio: MediaUpstream):
    answer = running.post("/v1/images/generations", {**DRAW, "model": "gpt-image-unheard-of"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "model_not_priced")
    assert not studio.requests


def test_a_picture_that_is_made_is_seen_while_it_is(running: Gateway, studio: MediaUpstream):
    partial = (
        b'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"AA"}\n\n'
    )
    done = b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"AAAA"}\n\n'
    go_on = threading.Event()
    studio.will_say(partial, done, kind="text/event-stream", go_on=go_on)
    body = {**DRAW, "stream": True, "partial_images": 1}
    with running.client() as client, client.stream("POST", "/v1/images/generations", json=body) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == partial
        go_on.set()
        assert b"".join(pieces) == done
    assert record(running, answer)["images"] == 1


def test_addresses_pass_through_and_become_data_where_that_is_wanted(running: Gateway, studio: MediaUpstream):
    linked = {"created": 1, "data": [{"url": f"{studio.base}/picture.png", "revised_prompt": "x"}]}
    studio.will_answer(linked)
    assert running.post("/v1/images/generations", DRAW).json() == linked
    studio.will_answer(linked)
    answer = running.post("/v1/images/generations", {**DRAW, "response_format": "b64_json"})
    (item,) = answer.json()["data"]
    assert base64.b64decode(item["b64_json"]) == PICTURE
    assert item.keys() == {"b64_json", "revised_prompt"}


def test_an_edit_takes_pictures_in_a_form_or_links_in_json(running: Gateway, studio: MediaUpstream):
    picture = ("a.png", PNG, "image/png")
    studio.will_answer(drawn())
    with running.client() as client:
        files = [("image[]", picture), ("image[]", picture), ("mask", picture)]
        answer = client.post("/v1/images/edits", data={"model": "draws", "prompt": "x", "n": "1"}, files=files)
    assert answer.status_code == 200, answer.text
    assert [name for name, *_ in studio.requests[0]["files"]] == ["image[]", "image[]", "mask"]
    studio.will_answer(drawn())
    links = [{"image_url": "https://example.com/a.png"}]
    running.post("/v1/images/edits", {"model": "draws", "prompt": "x", "images": links})
    assert studio.requests[1]["body"] == {"model": "draws", "prompt": "x", "images": links}


def kept(running: Gateway, data: bytes = PNG, filename: str = "a.png", key: str | None = None) -> str:
    """Return the id of a file that is kept here from now on."""
    with running.client(key) as client:
        answer = client.post("/v1/files", data={"purpose": "vision"}, files={"file": (filename, data)})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_edit_in_json_takes_files_that_are_kept_here(running: Gateway, studio: MediaUpstream, stream: bool):
    large = PNG + bytes(300_000)
    images = [{"file_id": kept(running)}, {"file_id": kept(running, large, "b.png")}]
    mask = {"image_url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}
    if stream:
        studio.will_say(b'data: {"type":"image_edit.completed","b64_json":"AA"}\n\n', kind="text/event-stream")
    else:
        studio.will_answer(drawn())
    body = {"model": "draws", "prompt": "x", "images": images, "mask": mask, "n": 1, "stream": stream}
    answer = running.post("/v1/images/edits", body)
    assert answer.status_code == 200, answer.text
    assert studio.requests[0]["files"] == [
        ("image[]", "a.png", "image/png", PNG),
        ("image[]", "b.png", "image/png", large),
        ("mask", "mask.png", "image/png", PNG),
    ]
    assert studio.requests[0]["fields"].items() >= {"model": "draws", "prompt": "x", "n": "1"}.items()
    assert record(running, answer)["images"] == 1
    assert list((running.data / "uploads").iterdir()) == []


def test_one_kept_file_is_sent_as_one_picture(running: Gateway, studio: MediaUpstream):
    studio.will_answer(drawn())
    running.post("/v1/images/edits", {"model": "draws", "prompt": "x", "images": [{"file_id": kept(running)}]})
    assert studio.requests[0]["files"] == [("image", "a.png", "image/png", PNG)]


def test_a_file_of_somebody_elses_is_not_there(running: Gateway, studio: MediaUpstream):
    theirs = kept(running, key=running.issue_key("painter@example.com"))
    for id in (theirs, "file-nothing"):
        answer = running.post("/v1/images/edits", {"model": "draws", "prompt": "x", "images": [{"file_id": id}]})
        assert (answer.status_code, answer.json()["error"]) == (404, {
            "message": f"No such File object: {id}", "type": "invalid_request_error", "param": "id", "code": None,
        })  # fmt: skip
    assert studio.requests == []


@pytest.mark.parametrize(
    ("images", "status", "code", "param"),
    [
        ([{"file_id": "text"}], 400, "invalid_file", "image"),
        ([{"file_id": "large"}, {"file_id": "large"}], 413, "request_too_large", None),
        ([{"file_id": "good"}, {"image_url": "https://example.com/a.png"}], 400, "invalid_value",
         "images[1].image_url"),
        ([{"file_id": "good"}, {"image_url": "data:image/png;base64,?"}], 400, "invalid_value", "images[1].image_url"),
        ([{"file_id": "good", "image_url": "https://example.com/a.png"}], 400, "invalid_value", "images[0]"),
        ([{"file_id": "good"}, {}], 400, "invalid_value", "images[1]"),
        ([{"file_id": "good"}, "good"], 400, "invalid_type", "images[1]"),
        ([{"file_id": 7}], 400, "invalid_type", "images[0].file_id"),
        ([{"file_id": "good"}] * 17, 400, "invalid_value", "images"),
    ],
)  # fmt: skip
def test_kept_files_that_cannot_be_edited_are_refused_by_name(
    running: Gateway, studio: MediaUpstream, images: list[Any], status: int, code: str, param: str | None
):
    files = {"good": (PNG, "a.png"), "large": (PNG + bytes(33 * 2**20), "b.png"), "text": (b"text", "a.txt")}
    named = [
        {**link, "file_id": kept(running, *files[link["file_id"]])}
        if isinstance(link, dict) and link.get("file_id") in files
        else link
        for link in images
    ]
    answer = running.post("/v1/images/edits", {"model": "draws", "prompt": "x", "images": named})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param), error
    assert studio.requests == []


def test_a_variation_takes_one_picture(running: Gateway, studio: MediaUpstream):
    studio.will_answer(drawn(2))
    with running.client() as client:
        answer = client.post(
            "/v1/images/variations", data={"model": "draws", "n": "2", "size": "256x256"},
            files={"image": ("a.png", PNG)},
        )  # fmt: skip
    assert record(running, answer)["cost"] == 2 * 160_000_000


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        ("/v1/audio/transcriptions", {"json": {"model": "hears"}}, 415, "unsupported_content_type"),
        ("/v1/audio/speech", {"data": {"a": "b"}, "files": {"file": SOUND}}, 415, "unsupported_content_type"),
        ("/v1/audio/transcriptions",
         {"data": {"model": "hears"}, "files": {"file": ("a.pdf", b"%PDF", "application/pdf")}}, 400, "invalid_file"),
        ("/v1/audio/transcriptions", {"data": {"model": "hears"}, "files": {"sound": SOUND}}, 400, "invalid_value"),
        ("/v1/audio/translations", {"data": {"model": "hears"}, "files": {"file": ("a.wav", b"")}}, 400,
         "invalid_value"),
        ("/v1/images/variations",
         {"data": {"model": "draws"}, "files": {"image": ("a.txt", b"text", "text/plain")}}, 400, "invalid_file"),
        ("/v1/images/generations", {"json": {"model": "draws"}}, 400, "missing_required_parameter"),
        ("/v1/images/generations", {"json": {**DRAW, "model": "unpriced"}}, 400, "model_not_priced"),
        ("/v1/images/generations", {"json": {**DRAW, "model": "demo-embedding"}}, 400, "unsupported_value"),
        ("/v1/audio/speech", {"json": {**SAY, "model": "unheard-of"}}, 404, "model_not_found"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_by_name(
    running: Gateway, studio: MediaUpstream, path: str, sent: dict[str, Any], status: int, code: str
):
    with running.client() as client:
        answer = client.post(path, **sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert studio.requests == []


def test_a_sound_that_is_too_large_is_refused_before_it_is_read(running: Gateway):
    if running.server == "daphne":
        pytest.skip("Daphne hands a request on when it has read all of it")
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.putrequest("POST", "/v1/audio/transcriptions")
    connection.putheader("authorization", f"Bearer {running.key}")
    connection.putheader("content-type", "multipart/form-data; boundary=b")
    connection.putheader("content-length", str(2**30))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "request_too_large")
    connection.close()


def test_speech_is_asked_for_as_elevenlabs_clients_do(running: Gateway, studio: MediaUpstream):
    studio.will_say(b"sound")
    body = {"text": "Hello", "model_id": "says", "voice_settings": {"speed": 0.9}}
    with httpx.Client(base_url=running.base, headers={"xi-api-key": running.key}, timeout=30) as client:
        answer = client.post("/v1/text-to-speech/Rachel?output_format=mp3_44100_128", json=body)
        refused = client.post("/v1/text-to-speech/Rachel", json={"model_id": "says"})
        unknown = client.post("/v1/text-to-speech/Rachel", json=body, headers={"xi-api-key": "nobody"})
    assert (answer.content, answer.headers["content-type"]) == (b"sound", "audio/mpeg")
    assert studio.requests[0]["body"] == {
        "input": "Hello", "voice": "Rachel", "model": "says", "speed": 0.9, "response_format": "mp3",
    }  # fmt: skip
    assert record(running, answer)["operation"] == "text-to-speech"
    assert refused.status_code == 400
    assert refused.json()["detail"]["status"] == "missing_required_parameter"
    assert (unknown.status_code, unknown.json()["detail"]["status"]) == (401, "invalid_api_key")


def test_speech_is_asked_for_as_localais_clients_do(running: Gateway, studio: MediaUpstream):
    studio.will_say(b"sound", kind="audio/wav")
    body = {"input": "Hello", "model": "own", "voice": "ignored", "backend": "piper"}
    answer = running.post("/v1/text-to-speech/en-us", body)
    assert answer.content == b"sound"
    assert studio.requests[0]["body"] == {"input": "Hello", "voice": "en-us", "model": "own", "backend": "piper"}


def test_the_ledger_agrees_with_itself(running: Gateway):
    running.records()
    verified = running.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def test_a_call_explains_what_it_cost(running: Gateway, studio: MediaUpstream):
    studio.will_answer(drawn(2))
    answer = running.post("/v1/images/generations", {**DRAW, "size": "256x256", "n": 2})
    running.record(answer.headers["x-request-id"])
    told = running.get(f"/v1/requests/{answer.headers['x-request-id']}/explain").json()
    assert told["usage"]["image"] == 2
    (line,) = [line for line in told["cost"]["lines"] if line["quantity"] and line["component"] == "image"]
    assert (line["price"], line["amount"]) == ("0.016", "0.0320000000")
