"""The API's own description: valid, complete, and as the code is that it describes."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway import api, elevenlabs, fieldchecks, settings, validation
from gateway.openapi import answers, checks, generator, headers, schemas, tables
from gateway.openapi.operation import Door, Operation, written
from gateway.views.api import ApiView

VENDOR = settings.BASE_DIR / "templates" / "static" / "tollgate" / "vendor"
METHODS = ("get", "post", "delete")
TABLES = {name: fields for name, (_, fields) in validation.OPERATIONS.items()} | {"speech": elevenlabs.FIELDS}


def fields() -> dict[str, fieldchecks.Check]:
    """Return one field for each thing that is checked; of a file in a form JSON knows nothing."""
    found = {}
    for table, checked in TABLES.items():
        for name, check in checked.items():
            schema = json.dumps(checks.schema_of(check))
            if "binary" not in schema:
                found.setdefault(schema, (f"{table} {name}", check))
    return dict(found.values())


FIELDS = fields()


def served() -> dict[str, type[ApiView]]:
    """Return each operation of the URL table, under /v1 where it is there."""
    found = {}
    bare = {route for route, _ in api.resources}
    for pattern in api.urlpatterns:
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        if str(pattern.pattern) not in bare:
            view = pattern.callback.view_class
            found |= {f"{method.upper()} /{path}": view for method in METHODS if view.serves(method)}
    return found


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return generator.document()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    paths = document["paths"].items()
    return {f"{method.upper()} {path}": each for path, methods in paths for method, each in methods.items()}


def test_every_operation_of_the_api_is_described():
    assert sorted(served().keys() - tables.OPERATIONS.keys()) == []


def test_nothing_is_described_that_is_not_there():
    assert sorted(tables.OPERATIONS.keys() - served().keys()) == []


def test_the_document_is_openapi_and_has_every_operation_once(document):
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert operations(document).keys() == served().keys()
    ids = [each["operationId"] for each in operations(document).values()]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if "_" in id] == []


def test_every_operation_has_its_texts_and_a_tag_that_is_explained(document):
    explained = {tag["name"] for tag in document["tags"]}
    for name, each in operations(document).items():
        assert each["summary"], name
        assert set(each["tags"]) <= explained, name
    assert explained == {tag for each in operations(document).values() for tag in each["tags"]}


def test_the_schemas_are_json_schema_and_each_is_used(document):
    text = json.dumps(document)
    for name, schema in tables.SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text, name


def test_no_name_stands_for_two_things():
    assert len(tables.SCHEMAS) == len(answers.ENVELOPES) + sum(len(each.SCHEMAS) for each in tables.RESOURCES)
    assert len(tables.OPERATIONS) == sum(len(each.OPERATIONS) for each in tables.RESOURCES)


def test_every_answer_has_the_id_of_its_request_and_every_error_an_envelope(document):
    for name, each in operations(document).items():
        for status, response in each["responses"].items():
            resolved = document["components"]["responses"].get(response.get("$ref", "").rpartition("/")[2], response)
            assert "x-request-id" in resolved["headers"], (name, status)
            if not status.startswith("2"):
                assert resolved["content"]["application/json"]["schema"], (name, status)


def test_who_needs_a_key_says_how_it_is_sent(document):
    views = served()
    for name, each in operations(document).items():
        taken = [scheme for choice in each["security"] for scheme in choice]
        sent_in = [header.decode() for header in views[name].key_headers]
        assert taken == (["bearer", *sent_in] if views[name].needs_key else []), name
        assert ("401" in each["responses"]) is views[name].needs_key, name


def test_a_view_that_takes_a_form_is_described_with_one(document):
    views = served()
    for name, each in operations(document).items():
        content = each.get("requestBody", {}).get("content", {})
        expected = {"json": {"application/json"}, "form": {"multipart/form-data"}, "either": set(content)}
        if name.startswith("POST") and content:
            assert set(content) == expected[views[name].body], name


def test_a_view_that_streams_is_described_with_events(document):
    views = served()
    for name, each in operations(document).items():
        streams = "text/event-stream" in each["responses"].get("200", {}).get("content", {})
        if name.startswith("POST") and not views[name].always_streams:
            assert streams is (views[name].consumer is not None), name


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-130, 130)
    | st.sampled_from([0.5, -0.5, 1.5, 2.5, -2.5, 10**9])
    | st.sampled_from(["", " ", "a", "\n", "float", "base64", *sorted(validation.ROLES)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "include_usage", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("check", FIELDS.values(), ids=FIELDS)
def test_a_field_is_described_as_it_is_checked(check):
    described = Draft202012Validator(checks.schema_of(check))

    @given(values)
    def agrees(value: Any) -> None:
        assert described.is_valid(value) is _passes(check, value)

    agrees()


def _passes(check: fieldchecks.Check, value: Any) -> bool:
    try:
        check(value, "field")
    except fieldchecks.Invalid:
        return False
    return True


def test_a_check_that_nobody_described_is_an_error():
    def strange(value: Any, param: str) -> None: ...

    with pytest.raises(KeyError):
        checks.schema_of(strange)


def test_what_is_required_is_required_and_may_not_be_null():
    body = Draft202012Validator(checks.body_of("chat.completions"))
    hello = [{"role": "user", "content": "Hello"}]
    assert body.is_valid({"messages": hello, "temperature": None, "unheard_of": 1})
    assert not body.is_valid({"model": "demo"})
    assert not body.is_valid({"messages": None})


def test_an_operation_without_anything_says_no_more_than_its_answer():
    made = written(Operation("T", "S"), "get_it", Door())
    assert made == {
        "operationId": "get_it",
        "tags": ["T"],
        "summary": "S",
        "security": [],
        "responses": {"200": {"description": "The answer.", "headers": headers.refs(headers.IDS), "content": {}}},
    }


def test_a_dialect_says_its_errors_in_its_own_way():
    made = written(
        Operation("T", "S", body=schemas.OBJECT, answer=schemas.OBJECT, calls_model=True),
        "post_it",
        Door(keys=("bearer", "x-api-key"), dialect="anthropic"),
    )
    assert made["responses"]["529"] == {"$ref": "#/components/responses/AnthropicError503"}
    assert made["responses"]["default"] == {"$ref": "#/components/responses/AnthropicErrordefault"}
    assert "503" not in made["responses"]
    assert "request-id" in made["responses"]["200"]["headers"]


@pytest.mark.parametrize(
    ("schema", "nullable"),
    [
        (schemas.TEXT, {"type": ["string", "null"]}),
        (schemas.words("a"), {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
        (schemas.ref("A"), {"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}]}),
    ],
)
def test_what_may_be_null_says_so(schema, nullable):
    assert schemas.or_null(schema) == nullable


def test_the_document_is_served_to_everybody_and_known_by_its_tag():
    client = Client()
    first = client.get("/openapi.json")
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/json"
    assert first.json()["info"]["title"] == "Tollgate"
    assert client.get("/openapi.json", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    assert client.post("/openapi.json").status_code == 405


def test_the_page_of_the_documentation_loads_from_here_alone():
    page = Client().get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.content.decode())
    assert loaded
    assert all(address.startswith("/") and not address.startswith("//") for address in loaded)


def test_vendored_files_are_those_whose_checksums_are_beside_them():
    folders = list(VENDOR.iterdir())
    assert folders
    for folder in folders:
        assert (folder / "LICENSE").exists()
        for line in (folder / "SHA256SUMS").read_text().splitlines():
            checksum, name = line.split("  ")
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name
