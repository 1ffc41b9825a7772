"""The request that DRF's views see: what they ask for is made when they ask, as most is never asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls.resolvers import ResolverMatch

from gateway.inquiry import Inquiry


class ApiRequest(HttpRequest):
    """Django's request without its costly beginning: `ASGIRequest` builds META, cookies and files first."""

    def __init__(self, scope: dict[str, Any], match: ResolverMatch, inquiry: Inquiry) -> None:
        self.scope = scope
        self.inquiry = inquiry
        self.resolver_match = match
        self.method = scope["method"]
        self.path = self.path_info = scope["path"]
        self.content_params: dict[str, str] = {}

    @cached_property
    def GET(self) -> QueryDict:
        return QueryDict(self.scope.get("query_string", b""))

    @cached_property
    def META(self) -> dict[str, Any]:
        environment = {"REQUEST_METHOD": self.method, "QUERY_STRING": self.scope.get("query_string", b"").decode()}
        if self.scope.get("client"):
            environment["REMOTE_ADDR"] = self.scope["client"][0]
        for name, value in self.inquiry.headers.items():
            key = name.decode("latin-1").upper().replace("-", "_")
            environment[key if key in UNPREFIXED else f"HTTP_{key}"] = value.decode("latin-1")
        return environment


UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
