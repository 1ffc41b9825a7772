"""The home page: what this is and where to point a client, as HTML for people and JSON for programs."""

from __future__ import annotations

from importlib.metadata import version
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from gateway import runtime
from gateway.errors import Starting
from gateway.pages import examples
from gateway.views.health import is_ready

PLACEHOLDER = "sk-tg-…"


class Link(NamedTuple):
    url: str
    title: str
    text: str


class Health(NamedTuple):
    """A word, and the class of its pill."""

    word: str
    look: str


@require_safe
@vary_on_headers("Accept")
def home(request: HttpRequest) -> HttpResponse:
    release = version("tollgate")
    if not wants_html(request):
        return JsonResponse({"name": "Tollgate", "version": release})
    context = {
        "base_url": request.build_absolute_uri("/v1"),
        "secret": PLACEHOLDER,
        "model": examples.model(),
        "version": release,
        "health": _health(),
        "links": _links(),
    }
    return render(request, "gateway/home.html", context)


def wants_html(request: HttpRequest) -> bool:
    """Whether HTML is asked for by name; ``*/*`` is what programs send."""
    return any(media.main_type == "text" and media.sub_type == "html" for media in request.accepted_types)


def _health() -> Health:
    try:
        checks = runtime.current().checks()
    except Starting:
        return Health("Starting", "tg-warn")
    return Health("Ready", "tg-ok") if is_ready(checks) else Health("Not ready", "tg-bad")


def _links() -> list[Link]:
    return [
        Link(reverse("docs"), "API documentation", "Every endpoint, to read and to try with your key"),
        Link(reverse("openapi"), "OpenAPI document", "The same for programs: clients and tests are made of it"),
        Link(reverse("admin:index"), "Admin", "Keys, budgets, spend and requests"),
        Link("/readyz", "Health", "Whether calls can be served, and what cannot"),
    ]
