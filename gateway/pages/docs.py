"""The API's documentation: its OpenAPI document, and a page to read it and try it."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import etag, require_safe

from gateway.openapi.generator import encoded


@cache
def _tag() -> str:
    return f'"{sha256(encoded()).hexdigest()[:32]}"'


@require_safe
@etag(lambda request: _tag())
def openapi(request: HttpRequest) -> HttpResponse:
    """Serve what every client may know: nothing in it is of this host."""
    return HttpResponse(encoded(), content_type="application/json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "gateway/docs.html")
