"""The API's description as OpenAPI 3.1: each route of ``gateway.api`` once, under its documented path."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator

from gateway.openapi import answers, headers, tables
from gateway.openapi.operation import SCHEMES

PREFIX = "/v1/"
TEXT = """One key for every model. Point a client of OpenAI's at this host's `/v1`.

Every path below `/v1` is served without that prefix too. A parameter that is not listed is passed on to the upstream
where its format can take it. Errors have the envelope of the dialect that the client speaks.
"""


class Endpoints(EndpointEnumerator):
    """The routes, without the bare twins of those under /v1."""

    def get_api_endpoints(self, patterns: Any = None, prefix: str = "") -> list[tuple[Any, ...]]:
        found = super().get_api_endpoints(patterns, prefix)
        twins = {path.removeprefix(PREFIX) for path, *_ in found if path.startswith(PREFIX)}
        return [endpoint for endpoint in found if endpoint[0].removeprefix("/") not in twins]


class Generator(SchemaGenerator):
    endpoint_inspector_cls = Endpoints

    def coerce_path(self, path: str, method: str, view: Any) -> str:
        return path


def document() -> dict[str, Any]:
    """Return the OpenAPI document. Raises ``Undescribed`` for an operation that the tables do not know."""
    found: dict[str, Any] = Generator(urlconf="gateway.api").get_schema(public=True)
    info = {
        "title": "Tollgate",
        "version": version("tollgate"),
        "description": TEXT,
        "license": {"name": "MIT", "identifier": "MIT"},
    }
    return {
        **found,
        "info": info,
        "servers": [{"url": "/"}],
        "tags": _tags(),
        "components": _components(found["paths"]),
    }


@cache
def encoded() -> bytes:
    """Return the document as JSON, made once in a process."""
    return msgspec.json.encode(document())


def _tags() -> list[dict[str, str]]:
    return [{"name": name, "description": text} for name, text in tables.TAGS.items()]


def _components(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what the operations refer to; of the keys' schemes those that some view takes."""
    operations = [operation for methods in paths.values() for operation in methods.values()]
    taken = {scheme for operation in operations for choice in operation["security"] for scheme in choice}
    return {
        "schemas": tables.SCHEMAS,
        "responses": answers.components(),
        "headers": headers.components(),
        "securitySchemes": {name: scheme for name, scheme in SCHEMES.items() if name in taken},
    }
