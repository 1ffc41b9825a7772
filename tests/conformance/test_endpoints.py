"""Every answer and every streamed event of each endpoint is one that OpenAI's own specification allows."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.openapi import tables
from tests.conformance.endpoints import EVENTS, JSON, ROWS, Step
from tests.conformance.recordings import events
from tests.live import Gateway

PATIENCE_SECONDS = 60


@pytest.mark.parametrize("steps", ROWS.values(), ids=ROWS)
def test_answers_are_those_of_the_specification(gateway: Gateway, spec: Any, steps: list[Step]):
    kept: dict[str, str] = {}
    for step in steps:
        answer = _asked(gateway, step, kept)
        if step.may_be_late and answer.status_code == 409:
            return
        assert answer.status_code == 200, (step.asks, answer.text)
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["content-type"].startswith(step.kind)
        said = _said(answer, step)
        assert [error for each in said for error in _errors(spec, step, each)] == [], step.asks
        if step.keeps:
            kept[step.keeps] = (said[0].get("data") or said)[0]["id"]
        if step.keeps_call:
            kept["call_id"] = said[0]["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"]


@pytest.mark.parametrize("steps", ROWS.values(), ids=ROWS)
def test_without_v1_they_are_the_same(gateway: Gateway, steps: list[Step]):
    with gateway.client() as client:
        method, path = steps[0].asks.split()
        bare, under = (client.request(method, prefix + path, **_sent(steps[0], {})) for prefix in ("", "/v1"))
    assert (bare.status_code, bare.headers["content-type"]) == (under.status_code, under.headers["content-type"])


def test_every_operation_of_the_specification_that_is_served_has_a_row(spec: Any):
    asked = {step.asks for steps in ROWS.values() for step in steps}
    known = {f"{method.upper()} {path}" for path, methods in spec.d["paths"].items() for method in methods}
    served = {key.replace(" /v1", " ", 1) for key in tables.OPERATIONS}
    assert sorted((known & served) - asked) == []
    assert sorted(asked - known) == []


def _asked(gateway: Gateway, step: Step, kept: dict[str, str]) -> Any:
    method, path = step.asks.split()
    until = time.monotonic() + PATIENCE_SECONDS
    with gateway.client() as client:
        while True:
            answer = client.request(method, f"/v1{path.format(**kept)}", **_sent(step, kept))
            if not step.waits_for or answer.json().get("status") in step.waits_for or time.monotonic() > until:
                return answer
            time.sleep(0.3)


def _sent(step: Step, kept: dict[str, str]) -> dict[str, Any]:
    if step.files is not None:
        return {"data": step.form, "files": step.files}
    return {} if step.body is None else {"json": _filled(step.body, kept)}


def _filled(value: Any, kept: dict[str, str]) -> Any:
    """Return a body whose values name what was kept."""
    if isinstance(value, list):
        return [_filled(inner, kept) for inner in value]
    if isinstance(value, list):
        return [_filled(inner, kept) for inner in value]
    if not isinstance(value, dict):
        return value.format(**kept) if isinstance(value, str) and "_id}" in value else value
    return {name: _filled(inner, kept) for name, inner in value.items()}


def _said(answer: Any, step: Step) -> list[Any]:
    """Return the JSON that the answer has, each event of a stream by itself."""
    if step.kind == EVENTS:
        found = list(events(answer.content))
        assert found, answer.text
        return found
    return [answer.json()] if step.kind == JSON else []


def _errors(spec: Any, step: Step, said: Any) -> list[str]:
    if step.asks in UNTOLD:
        return []
    method, path = step.asks.split()
    return spec.errors((method.lower(), path, 200, step.kind), said)


# whose answer the specification leaves open
UNTOLD = {"DELETE /responses/{response_id}"}
