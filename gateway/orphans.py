"""A web process ends when the one that started it is dead: nobody would watch it, and it would keep the port."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading

logger = logging.getLogger(__name__)


def end_with_parent() -> None:
    """Watch this process's parent, if it is a child of `serve`; once that is gone, finish what runs and end."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        logger.warning("the process that started this one is dead: ending")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
