"""The ASGI servers `serve` can use. Granian is the default: measured 1.6 times Daphne's speed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from django.conf import settings

logger = logging.getLogger(__name__)
APPLICATION = "gateway.asgi:application"


def when_answering(url: str, then: Callable[[], None]) -> None:
    """Call ``then`` from a thread as soon as ``url`` answers 200."""

    def wait() -> None:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2):  # noqa: S310 our own address
                    return then()
            except (OSError, urllib.error.URLError):
                time.sleep(0.02)

    threading.Thread(target=wait, name="ready", daemon=True).start()


def granian(host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM; running requests are finished first. A process that dies is started again."""
    import granian as library  # noqa: PLC0415 only the chosen server is loaded
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    multiprocessing.set_start_method("spawn")  # a fork would share the lock of an open journal
    if workers > 1:
        _share_metrics()
    library.Granian(
        APPLICATION,
        address=host,
        port=port,
        interface="asgi",
        workers=workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        websockets=True,
        backlog=2048,
        backpressure=4096,
        http1_settings=HTTP1Settings(max_buffer_size=1 << 20),
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=int(settings.DRAIN_SECONDS) + 15,
    ).serve()


def _share_metrics() -> None:
    folder = settings.DATA / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def daphne(host: str, port: int, workers: int) -> None:
    """Serve with Daphne in this process until SIGTERM; running requests are finished first."""
    import uvloop  # noqa: PLC0415 only the chosen server is loaded
    from twisted.internet import asyncioreactor  # noqa: PLC0415

    asyncioreactor.install(uvloop.new_event_loop())
    from gateway.asgi import application  # noqa: PLC0415
    from gateway.daphne import DrainingServer  # noqa: PLC0415 needs the reactor installed

    DrainingServer(
        application=application,
        endpoints=[f"tcp:port={port}:interface={host}"],
        server_name="tollgate",
        http_timeout=None,
    ).run()


SERVERS: dict[str, Callable[[str, int, int], Any]] = {"granian": granian, "daphne": daphne}
