"""Requests that no person would write, and that a machine has found an error with: each gets a clear answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.endpoints import picture, sound
from tests.live import Gateway


@pytest.mark.parametrize("stream", [["true", "true"], ["", "x"], ["{}"]])
def test_a_stream_that_is_asked_for_oddly_in_a_form(gateway: Gateway, stream: list[str]):
    answer = _form(gateway, "/v1/audio/transcriptions", {"model": "demo", "stream": stream})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == "stream"


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/v1/audio/translations", {"file": ("a.wav", sound())}),
        ("/v1/images/variations", {"image": ("a.png", picture())}),
    ],
)
def test_a_stream_of_what_has_no_events_is_answered_whole(gateway: Gateway, path: str, file: dict[str, Any]):
    asked, streamed = (_form(gateway, path, {"model": "demo", **said}, file) for said in ({}, {"stream": "true"}))
    assert (streamed.status_code, streamed.headers["content-type"]) == (200, "application/json"), streamed.text
    assert {**streamed.json(), "created": 0} == {**asked.json(), "created": 0}
    assert streamed.headers["x-tollgate-cost"] == asked.headers["x-tollgate-cost"]


def _form(gateway: Gateway, path: str, fields: dict[str, Any], files: dict[str, Any] | None = None) -> Any:
    with gateway.client() as client:
        return client.post(path, data=fields, files=files or {"file": ("a.wav", sound())})
