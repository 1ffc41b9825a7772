"""A Celery worker and beat inside the web process, where no Redis is given: tasks travel through memory.

Celery calls embedding unsupported (celery issue 5429), so it stands alone here; whatever it loses is only a hint, as
flushers post by themselves.
"""

from __future__ import annotations

import threading
from typing import Any

from gateway.celery import app

# one that is busy for long, with channels of alerts that do not answer or with the proof, holds up nothing else
CONCURRENCY = 2


class EmbeddedWorker:
    """``start`` returns at once; ``stop`` waits for the task at hand."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._controller: Any = None
        self._beat: Any = None
        self._ready = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        # imported here, as production's web process must not load them
        from celery.beat import EmbeddedService  # noqa: PLC0415
        from celery.worker import WorkController  # noqa: PLC0415

        app.set_current()  # else tasks are not found in this thread
        self._controller = WorkController(
            app=app, hostname="embedded@localhost", pool_cls="threads", concurrency=CONCURRENCY,
            without_heartbeat=True, without_gossip=True, without_mingle=True,
        )  # fmt: skip
        self._beat = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")
        self._beat.start()
        self._ready.set()
        self._controller.start()

    def stop(self, timeout: float = 10) -> None:
        if self._ready.wait(timeout):
            self._beat.stop()
            self._controller.stop()
        self._thread.join(timeout)
