"""Pages' changes are signed in the audit log: who is signed in, and from where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from accounts.addresses import client_address
from accounts.audit import Origin, audited_by
from accounts.callers import networks
from accounts.models import User


@sync_and_async_middleware
def audit(get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]) -> Callable:
    """To stand after the authentication middleware. Asks for the user only when something is written."""
    if iscoroutinefunction(get_response):

        async def signed(request: HttpRequest) -> HttpResponse:
            with audited_by(partial(origin_of, request)):
                return await get_response(request)

    else:

        def signed(request: HttpRequest) -> HttpResponse:
            with audited_by(partial(origin_of, request)):
                return get_response(request)

    return signed


def origin_of(request: HttpRequest) -> Origin:
    user = getattr(request, "user", None)
    return Origin(user if isinstance(user, User) else None, address_of(request))


def address_of(request: HttpRequest) -> str | None:
    proxies = networks(settings.TRUSTED_PROXIES)
    return client_address(request.META.get("REMOTE_ADDR"), request.headers.get("X-Forwarded-For", ""), proxies)
