"""What a page may load and do: nothing from other hosts, no inline script, no frame around it.

unfold's pages are built on Alpine, which evaluates the expressions in its attributes: its CSP build cannot take the
arrow functions and globals that unfold writes there, so scripts of those pages may evaluate ('unsafe-eval'). They still
load from this host alone and none is inline, so text that found its way into a page does not run. Alpine and charts
set style attributes; style sheets are files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"
EVALUATING = ("/admin/", "/accounts/")
STRICT = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def policy(path: str) -> str:
    rules = {**STRICT, "script-src": "'self' 'unsafe-eval'"} if path.startswith(EVALUATING) else STRICT
    return "; ".join(f"{name} {value}" for name, value in rules.items())


@sync_and_async_middleware
def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
) -> Callable:
    """To stand first, so that errors and redirects have it too."""
    if iscoroutinefunction(get_response):

        async def guarded(request: HttpRequest) -> HttpResponse:
            return _guard(request, await get_response(request))

    else:

        def guarded(request: HttpRequest) -> HttpResponse:
            return _guard(request, get_response(request))

    return guarded


def _guard(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    response.headers.setdefault(HEADER, policy(request.path))
    return response
