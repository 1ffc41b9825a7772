"""The ASGI application: the API to the door, static files to their folder, everything else to Django."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

from django.conf import settings  # noqa: E402 the apps must be ready first
from django.core.asgi import get_asgi_application  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

from gateway import orphans, runtime  # noqa: E402
from gateway.door import belongs_here, door  # noqa: E402

logger = logging.getLogger(__name__)
import_module(settings.ROOT_URLCONF)  # now, as the first page would hold up every stream for as long as it takes
pages = ServeStaticASGI(get_asgi_application(), root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await runtime.ensure()
        serve = door if belongs_here(scope["path"]) else pages
        await serve(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await send({"type": "websocket.close", "code": 4404})


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    orphans.end_with_parent()
    try:
        await runtime.ensure()
    except Exception as error:
        logger.exception("the gateway cannot start")
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await runtime.close()
    await send({"type": "lifespan.shutdown.complete"})
