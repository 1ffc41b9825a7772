"""Recorded moderations and rankings through the whole gateway: clients see what they hold, and the ledger its cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.judged import Recorded, configuration, judged_recordings
from tests.conformance.replay import upstream
from tests.conformance.shared import ABSENT
from tests.live import Gateway
from tests.shapes import CUTS

RECORDINGS = judged_recordings()
COSTS = {"moderations": 0, "rerank": 20_000_000}

pytestmark = pytest.mark.skipif(not RECORDINGS, reason=ABSENT)


class Replayed:
    def __init__(self, gateway: Gateway, named: str) -> None:
        self.gateway = gateway
        self._named = named

    def answer(self, recorded: Recorded) -> Any:
        model = f"{self._named}-{RECORDINGS.index(recorded)}"
        return self.gateway.post(f"/v1/{recorded.operation}", {**recorded.request, "model": model})


@pytest.fixture(scope="module", params=CUTS.values(), ids=CUTS)
def replayed(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Replayed]:
    with upstream(request.param) as port:
        named = f"judged-split-{request.param}"
        gateway.apply(configuration(RECORDINGS, port, named))
        yield Replayed(gateway, named)


def test_there_are_recordings_of_both():
    assert {one.operation for one in RECORDINGS} == {"moderations", "rerank"}


@pytest.mark.parametrize("recorded", RECORDINGS, ids=str)
def test_the_answer_is_the_recorded_one_and_costs_what_it_did(replayed: Replayed, recorded: Recorded, spec: Any):
    answer = replayed.answer(recorded)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in recorded.answer} == recorded.answer
    posted = replayed.gateway.record(answer.headers["x-request-id"])
    assert (posted["operation"], posted["cost"]) == (recorded.operation, COSTS[recorded.operation])
    if recorded.operation == "moderations":
        key = ("post", "/moderations", 200)
        assert set(spec.errors(key, answer.json())) <= set(spec.errors(key, recorded.answer))
