"""What the page of the documentation offers to try is answered, and as the document says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.openapi import generator, tables
from tests.live import Gateway

# of the others, what is asked for does not exist in a gateway of the tests
TRIED = [key for key, each in tables.OPERATIONS.items() if each.example is not None and each.calls_model]
READ = ["GET /v1/models", "GET /v1/models/demo", "GET /v1/usage", "GET /v1/budgets", "GET /v1/requests"]
DOCUMENT = "urn:api"
OPEN = ["GET /healthz", "GET /readyz"]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return generator.document()


@pytest.mark.parametrize("key", TRIED)
def test_an_example_is_answered_as_described(gateway: Gateway, document: dict[str, Any], key: str):
    path = key.removeprefix("POST ").format(model="demo", voice_id="alloy")
    answer = gateway.post(path, tables.OPERATIONS[key].example)
    assert answer.status_code == 200, answer.text
    _assert_described(document, key, answer)


@pytest.mark.parametrize("asked", [*READ, *OPEN])
def test_what_is_read_is_as_described(gateway: Gateway, document: dict[str, Any], asked: str):
    answer = gateway.get(asked.removeprefix("GET "))
    assert answer.status_code == 200, answer.text
    _assert_described(document, asked.replace("/demo", "/{model}"), answer)


def test_an_explanation_is_as_described(gateway: Gateway, document: dict[str, Any]):
    answer = gateway.post("/v1/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]})
    explained = gateway.get(f"/v1/requests/{answer.headers['x-request-id']}/explain")
    _assert_described(document, "GET /v1/requests/{request_id}/explain", explained)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/text-to-speech/alloy"])
def test_a_refusal_has_the_envelope_of_its_dialect(gateway: Gateway, document: dict[str, Any], path: str):
    answer = gateway.post(path, {"model": 7})
    assert answer.status_code == 400
    _assert_described(document, f"POST {path.replace('alloy', '{voice_id}')}", answer)


def _assert_described(document: dict[str, Any], key: str, answer: Any) -> None:
    method, path = key.split()
    response = _resolved(document, document["paths"][path][method.lower()]["responses"][str(answer.status_code)])
    ours = {name for name in answer.headers if name.startswith(("x-tollgate-", "x-ratelimit-", "x-request-id"))}
    assert ours <= response["headers"].keys()
    kind = answer.headers["content-type"].partition(";")[0]
    if kind != "application/json":
        assert f"{kind.partition('/')[0]}/*" in response["content"]
        return
    validator = Draft202012Validator(_absolute(response["content"][kind]["schema"]), registry=_registry(document))
    assert [error.message for error in validator.iter_errors(answer.json())] == []


def _resolved(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    name = response.get("$ref", "").rpartition("/")[2]
    return document["components"]["responses"][name] if name else response


def _registry(document: dict[str, Any]) -> Registry:
    return Registry().with_resource(DOCUMENT, Resource(contents=document, specification=DRAFT202012))


def _absolute(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose references begin at the document."""
    return json.loads(json.dumps(schema).replace('"#/', f'"{DOCUMENT}#/'))
