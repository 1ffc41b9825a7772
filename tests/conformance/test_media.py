"""Recorded pictures and sounds through the whole gateway: clients see what they hold, and the ledger what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.conformance.media import Recorded, configuration, media_recordings
from tests.conformance.recordings import events
from tests.conformance.replay import upstream
from tests.conformance.shared import ABSENT
from tests.live import Gateway
from tests.shapes import CUTS

RECORDINGS = media_recordings()
SPOKEN = [one for one in RECORDINGS if one.operation == "audio/speech"]
TRANSLATED = [one for one in RECORDINGS if one.adapter != "openai" and one not in SPOKEN]
PASSED = [one for one in RECORDINGS if one not in (*SPOKEN, *TRANSLATED)]
# what each tells, or what there is to count where it tells nothing
BILLED = {
    "openai/images_generate": {"images": 1, "cost": 0.02},
    "openai/dd__image_create": {"images": 1, "cost": 0.02},
    "openai/audio_whisper-1_translate": {"milliseconds": 10_109, "cost": 0.0010109},
    "openai/transcription_basic_functionality_openai_whisper-1": {"milliseconds": 4000, "cost": 0.0004},
    "openai/transcription_basic_functionality_openai_gpt-4o": {
        "audio_in_tokens": 37, "output_tokens": 12, "cost": 0.000135,
    },
    "mistral/transcription": {"input_tokens": 3, "audio_in_tokens": 375, "output_tokens": 11, "cost": 0.00115},
    "xai/speech": {"characters": 64, "cost": 0.00064},
}  # fmt: skip
UNITS = ("input_tokens", "output_tokens", "audio_in_tokens", "audio_out_tokens", "images", "milliseconds", "characters")

pytestmark = pytest.mark.skipif(not RECORDINGS, reason=ABSENT)
each = pytest.mark.parametrize


class Replayed:
    """Each recording behind a model of its own, asked for once."""

    def __init__(self, gateway: Gateway, named: str) -> None:
        self.gateway = gateway
        self._named = named
        self._answers: dict[str, httpx.Response] = {}

    def answer(self, recorded: Recorded) -> httpx.Response:
        name = f"{self._named}-{RECORDINGS.index(recorded)}"
        if name not in self._answers:
            self._answers[name] = self._asked(recorded, name)
        return self._answers[name]

    def _asked(self, recorded: Recorded, model: str) -> httpx.Response:
        with self.gateway.client() as client:
            path = f"/v1/{recorded.operation}"
            if recorded in SPOKEN:
                return client.post(path, json={"model": model, "input": recorded.fields["text"]})
            if not recorded.files:
                return client.post(path, json={**recorded.fields, "model": model})
            fields = {**recorded.fields, "model": model, **({"stream": "true"} if recorded.is_stream else {})}
            return client.post(path, data=fields, files=recorded.files)


@pytest.fixture(scope="module", params=CUTS.values(), ids=CUTS)
def replayed(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Replayed]:
    with upstream(request.param) as port:
        named = f"media-split-{request.param}"
        gateway.apply(configuration(RECORDINGS, port, named))
        yield Replayed(gateway, named)


@each("recorded", PASSED, ids=str)
def test_what_openai_said_is_passed_on_byte_for_byte(replayed: Replayed, recorded: Recorded):
    answer = replayed.answer(recorded)
    assert answer.status_code == 200, answer.text
    assert answer.content == recorded.body
    assert answer.headers["content-type"].partition(";")[0] == recorded.kind.partition(";")[0]


@each("recorded", TRANSLATED, ids=str)
def test_what_others_said_is_told_in_openais_words(replayed: Replayed, recorded: Recorded, spec: Any):
    answer = replayed.answer(recorded)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "Ruby is a programming language designed for developer happiness."
    assert spec.errors(("post", f"/{recorded.operation}", 200, "application/json"), answer.json()) == []


@each("recorded", SPOKEN, ids=str)
def test_a_sound_is_passed_on_byte_for_byte(replayed: Replayed, recorded: Recorded):
    answer = replayed.answer(recorded)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == recorded.kind
    assert answer.content == recorded.body


@each("recorded", [one for one in RECORDINGS if one.is_stream], ids=str)
def test_events_are_those_of_the_specification(replayed: Replayed, recorded: Recorded, spec: Any):
    seen = list(events(replayed.answer(recorded).content))
    assert len(seen) > 1
    key = ("post", f"/{recorded.operation}", 200, "text/event-stream")
    assert [error for event in seen for error in spec.errors(key, event)] == []


@each("recorded", RECORDINGS, ids=str)
def test_what_it_cost_is_in_the_ledger(replayed: Replayed, recorded: Recorded):
    request_id = replayed.answer(recorded).headers["x-request-id"]
    replayed.gateway.record(request_id)
    ((*units, cost, estimated, status),) = replayed.gateway.sql(
        f"SELECT {', '.join(UNITS)}, cost, estimated, status FROM billing_usagerecord WHERE request_id = %s", request_id
    )
    billed = next(said for place, said in BILLED.items() if recorded.place.startswith(place))
    assert dict(zip(UNITS, units, strict=True)) == {name: billed.get(name, 0) for name in UNITS}
    assert cost == round(billed["cost"] * 10**10)
    assert (bool(estimated), status) == (False, "completed")
