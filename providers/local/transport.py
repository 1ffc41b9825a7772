"""The local engines as upstreams in the process: HTTP in, HTTP out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from providers.demo import media, sent
from providers.errors import RequestRejected
from providers.http import httpx
from providers.local import drawing, flite, hearing
from providers.local.programs import EngineFailed, EngineMissing, aside
from providers.sending import Sent

logger = logging.getLogger(__name__)
Body = Mapping[str, Any]
Work = Callable[[Body], tuple[str, bytes]]

JSON = {"content-type": "application/json"}
# What falls out of a request whose parts are of the wrong kind; the gateway has checked those that it knows.
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)


def _pictures(body: Body) -> tuple[str, bytes]:
    made = media.images({**body, "stream": False}, int(time.time()), drawing.ENGINES)
    return made.content_type, b"".join(made.pieces)


ENGINES: Mapping[str, Work] = {
    "/audio/speech": flite.sound_of,
    "/audio/transcriptions": hearing.transcript_of,
    "/images/generations": _pictures,
}


class LocalTransport(httpx.AsyncBaseTransport):
    """Each request is one run of an engine, in a thread, and in a process of its own where that is a program."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if isinstance(request.stream, Sent):
            body = sent.body_of(request.stream.form)
        else:
            body = msgspec.json.decode(request.read())
        try:
            kind, told = await aside(ENGINES[request.url.path], body)
        except RequestRejected as error:
            return _error(400, error.message, "invalid_request_error", error.param)
        except EngineMissing as error:
            return _error(501, str(error), "service_unavailable_error")
        except EngineFailed as error:
            logger.warning("a local engine failed: %s", error)
            return _error(500, str(error), "server_error")
        except MISSHAPEN:
            return _error(400, "A part of the request is not of the kind that it should be.", "invalid_request_error")
        return httpx.Response(200, headers={"content-type": kind}, content=told)


def _error(status: int, message: str, type: str, param: str | None = None) -> httpx.Response:
    error = {"message": message, "type": type, "param": param, "code": None}
    return httpx.Response(status, headers=JSON, content=msgspec.json.encode({"error": error}))
