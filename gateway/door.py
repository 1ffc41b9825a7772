"""The ASGI door of the API: bytes in, a DRF view or a Channels consumer behind, bytes out. No middleware.

Django's own handler costs 480 to 730 µs of CPU per request in thread hops for sync signals and dispatch; this path to
the same views costs about 125 µs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.http import Http404
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern, ResolverMatch

from accounts.addresses import client_address
from accounts.callers import networks
from gateway import metrics, runtime
from gateway.departure import ClientGone, Receive, until_client_leaves
from gateway.dialects import OPENAI, Dialect
from gateway.errors import AddressNotAllowed, BodyTooLarge, MethodNotServed, translate
from gateway.fieldchecks import Invalid
from gateway.forms import NotJson, is_form, read_form
from gateway.inquiry import Inquiry
from gateway.replies import Reply, Send, Streamed
from gateway.requests import ApiRequest
from gateway.views.api import ApiView

logger = logging.getLogger(__name__)
Scope = dict[str, Any]

PROXIES = networks(settings.TRUSTED_PROXIES)
# no URL of the API is longer, and what nobody serves is not worth more look-ups
MOST_STEPS = 6
# a tuple: what comes twice in a form is a list, which no set can be asked about
FORM_TRUE = ("true", "True", "1")
_resolver = URLResolver(RegexPattern(r"^/"), "gateway.api")


@lru_cache(maxsize=512)
def resolve(path: str) -> ResolverMatch | None:
    """Return the view behind ``path``, None where it is not the API's."""
    try:
        return _resolver.resolve(path)
    except Resolver404:
        return None


@lru_cache(maxsize=512)
def dialect_below(path: str) -> Dialect:
    """Return how errors are said at a path that nothing is at: as at what is nearest above it, else as below it."""
    steps = path.split("/")[:MOST_STEPS]
    above = (resolve("/".join(steps[:end])) for end in range(len(steps), 1, -1))
    views = [match.func.view_class for match in above if match is not None]
    begins = path.strip("/") + "/"
    views += [each.callback.view_class for each in _resolver.url_patterns if str(each.pattern).startswith(begins)]
    return views[0].dialect if views else OPENAI


@cache
def roots() -> frozenset[str]:
    """Return how the API's paths begin: below these nothing else is, so that what is not there is said in its words."""
    return frozenset(_first_step(str(each.pattern)) for each in _resolver.url_patterns)


def belongs_here(path: str) -> bool:
    return _first_step(path.lstrip("/")) in roots()


def _first_step(path: str) -> str:
    return path.partition("/")[0]


async def door(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request of the API. A client that leaves cancels all that is done for it."""
    inquiry = Inquiry(dict(scope["headers"]))
    if scope["method"] == "HEAD":
        scope, send = {**scope, "method": "GET"}, _without_body(send)
    try:
        await _serve(scope, receive, send, inquiry)
    except ClientGone:
        metrics.client_left()
    except Exception as error:  # noqa: BLE001 the outermost edge: translate() logs what nobody foresaw
        answer = translate(error)
        metrics.refused(answer)
        if not inquiry.is_answering:
            reply = inquiry.dialect.reply(answer, inquiry.request_id)
            reply.headers.extend(inquiry.attempt_headers)
            await reply.send(send, inquiry.request_id)
    finally:
        if inquiry.form is not None:
            inquiry.form.close()


def _without_body(send: Send) -> Send:
    """HEAD is answered as GET is, and says how long its body would be."""

    async def head(message: dict[str, Any]) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return head


async def _serve(scope: Scope, receive: Receive, send: Send, inquiry: Inquiry) -> None:
    match = resolve(scope["path"])
    if match is None:
        inquiry.dialect = dialect_below(scope["path"])
        raise Http404
    view = match.func.view_class
    inquiry.dialect = view.speaks_to(inquiry)
    inquiry.attempts = 0 if view.calls_models else None
    if view.needs_key:
        await _recognise(scope, inquiry, view.key_headers)
        _note_their_id(inquiry)
    if not view.serves(scope["method"]):
        raise MethodNotServed(scope["method"], view.served())
    if scope["method"] == "POST":
        await _read(receive, inquiry, view)
    if view.model_in_path and isinstance(inquiry.body, dict):
        inquiry.body["model"] = match.kwargs["model"]
    if view.consumer is not None and (view.always_streams or _wants_stream(inquiry, scope)):
        await view.consumer(inquiry)({**scope, "url_route": {"kwargs": match.kwargs}}, receive, send)
    else:
        await _call_view(match, scope, receive, send, inquiry)


async def _recognise(scope: Scope, inquiry: Inquiry, key_headers: Sequence[bytes]) -> None:
    """Find the caller before a byte of the body is read."""
    inquiry.caller = await runtime.current().directory.find(inquiry.secret(key_headers))
    if inquiry.caller.addresses and not inquiry.caller.may_come_from(_address(scope, inquiry)):
        raise AddressNotAllowed


def _address(scope: Scope, inquiry: Inquiry) -> str | None:
    peer = scope["client"][0] if scope.get("client") else None
    return client_address(peer, inquiry.headers.get(b"x-forwarded-for", b"").decode("latin-1"), PROXIES)


def _note_their_id(inquiry: Inquiry) -> None:
    """Log what the client calls this request; the record's own id is never the client's."""
    theirs = inquiry.headers.get(b"x-request-id")
    if theirs is not None:
        logger.info("%s is the client's %.200r", inquiry.request_id, theirs.decode("latin-1"))


def _wants_stream(inquiry: Inquiry, scope: Scope) -> bool:
    if scope["method"] == "GET":
        return b"stream=true" in scope.get("query_string", b"").split(b"&")
    said = inquiry.body.get("stream") if isinstance(inquiry.body, dict) else None
    return said is True or (inquiry.form is not None and said in FORM_TRUE)


async def _read(receive: Receive, inquiry: Inquiry, view: type[ApiView]) -> None:
    sent_form = is_form(inquiry.headers)
    if view.body == "form" or (view.body == "either" and sent_form):
        inquiry.form = await read_form(receive, inquiry.headers, view.form_limits)
        inquiry.body = inquiry.form.body()
        if view.consumer is None:
            inquiry.body.pop("stream", None)  # what has no events is answered whole, and an upstream may have some
    elif sent_form:
        raise NotJson
    else:
        await _read_json(receive, inquiry, optional=view.body_is_optional)


async def _read_json(receive: Receive, inquiry: Inquiry, *, optional: bool) -> None:
    body = await _read_body(receive, inquiry.headers, settings.MAX_BODY_BYTES)
    if optional and not body:
        return
    try:
        inquiry.body = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"The request body is not valid JSON: {error}."
        raise Invalid(message, code="invalid_json") from error


async def _read_body(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(limit)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise BodyTooLarge(limit)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _call_view(match: ResolverMatch, scope: Scope, receive: Receive, send: Send, inquiry: Inquiry) -> None:
    request = ApiRequest(scope, match, inquiry)
    reply: Reply | Streamed = await until_client_leaves(match.func(request, *match.args, **match.kwargs), receive)
    if isinstance(reply, Streamed):
        await until_client_leaves(reply.send(_noting_start(send, inquiry), inquiry.request_id), receive)
    else:
        await reply.send(send, inquiry.request_id)


def _noting_start(send: Send, inquiry: Inquiry) -> Send:
    """What fails when the headers have gone can only end the connection."""

    async def noting(message: dict[str, Any]) -> None:
        inquiry.is_answering = True
        await send(message)

    return noting
