"""OpenAI's own store of files was recorded: asked the same, ours answers in the same shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.conformance.shared import ABSENT, CASSETTES, CONFORMANCE, PRESENT, SPECIFICATION, module
from tests.live import Gateway

pytestmark = pytest.mark.skipif(not PRESENT, reason=ABSENT)

# what they were each time, and what nobody is told here: there are no details of what has not failed
THEIRS = {"id", "created_at", "status_details"}


def recorded(name: str) -> dict[str, Any]:
    interactions = module(CASSETTES / "read_cassettes.py").interactions
    (found,) = interactions(str(CASSETTES / "openai" / f"dd__file_{name}.yaml"))
    return found


@pytest.fixture(scope="module")
def specification() -> Any:
    return module(CONFORMANCE / "speccheck.py").Spec(str(SPECIFICATION))


@pytest.fixture
def uploaded(gateway: Gateway) -> Iterator[httpx.Response]:
    """The recorded upload, sent to us byte by byte as it was."""
    sent = recorded("create")
    with gateway.client() as client:
        headers = {"content-type": sent["req_headers"]["content-type"][0]}
        answer = client.post("/v1/files", content=sent["req_body"], headers=headers)
        yield answer
        client.delete(f"/v1/files/{answer.json()['id']}")


def shape(body: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in body.items() if name not in THEIRS - {"id", "created_at"}}


def test_an_upload_is_answered_as_recorded(uploaded: httpx.Response, specification: Any) -> None:
    theirs, ours = json.loads(recorded("create")["body"]), uploaded.json()
    assert uploaded.status_code == recorded("create")["status"]
    assert shape(ours) == shape(theirs)
    said = {"bytes", "filename", "purpose", "object"}
    assert {name: ours[name] for name in said} == {name: theirs[name] for name in said}
    assert specification.errors(("post", "/files", 200), ours) == []


def test_a_file_is_described_as_recorded(gateway: Gateway, uploaded: httpx.Response, specification: Any) -> None:
    ours = gateway.get(f"/v1/files/{uploaded.json()['id']}").json()
    assert shape(ours) == shape(json.loads(recorded("retrieve")["body"]))
    assert specification.errors(("get", "/files/{file_id}", 200), ours) == []


def test_a_list_is_written_as_recorded(gateway: Gateway, uploaded: httpx.Response, specification: Any) -> None:
    theirs, ours = json.loads(recorded("list")["body"]), gateway.get("/v1/files").json()
    assert ours["object"] == theirs["object"]
    assert {frozenset(shape(each).items()) for each in ours["data"] if "expires_at" not in each} == {
        frozenset(shape(each).items()) for each in theirs["data"]
    }
    assert specification.errors(("get", "/files", 200), ours) == []
    empty = gateway.get("/v1/files?purpose=fine-tune-results").json()
    assert empty["data"] == []
    assert specification.errors(("get", "/files", 200), empty) == []


def test_a_content_comes_as_recorded(gateway: Gateway) -> None:
    theirs = recorded("download")
    with gateway.client() as client:
        files = {"file": ("file", theirs["body"])}
        id = client.post("/v1/files", files=files, data={"purpose": "fine-tune"}).json()["id"]
        ours = client.get(f"/v1/files/{id}/content")
        deleted = client.delete(f"/v1/files/{id}").json()
    assert ours.content == theirs["body"]
    for name in ("content-type", "content-disposition"):
        assert ours.headers[name] == theirs["headers"][name][0]
    assert {**deleted, "id": ""} == {**json.loads(recorded("delete")["body"]), "id": ""}


def test_batches_are_written_as_specified(gateway: Gateway, specification: Any) -> None:
    with gateway.client() as client:
        files = {"file": ("in.jsonl", b"nonsense")}
        id = client.post("/v1/files", files=files, data={"purpose": "batch"}).json()["id"]
        body = {"input_file_id": id, "endpoint": "/v1/responses", "completion_window": "24h"}
        made = client.post("/v1/batches", json=body).json()
        assert specification.errors(("post", "/batches", 200), made) == []
        assert specification.errors(("get", "/batches", 200), client.get("/v1/batches").json()) == []
        assert specification.errors(("get", "/batches", 200), client.get("/v1/batches?limit=1").json()) == []
