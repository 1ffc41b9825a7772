"""The Celery app: `celery -A gateway worker`, `celery -A gateway beat`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, worker_init
from django.core.checks import run_checks
from django.utils.module_loading import import_string

from gateway import checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")


def runs_tasks() -> bool:
    """Whether this process works tasks off, or only gives hints that there are some."""
    started_as = Path(sys.argv[0])
    return "celery" in (started_as.name, started_as.parent.name) or not os.environ.get("REDIS_URL")


# Celery's Django fixup closes connections around tasks; to do so it loads the whole worker, which production's web
# process has no use for.
app = Celery("gateway", fixups=None if runs_tasks() else [])
app.set_default()  # else threads but the first would talk to a broker nobody named
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["gateway.assistants", "gateway.batches", "gateway.responses", "gateway.vectors"])


@celeryd_init.connect
def check_sandbox(**_: object) -> None:
    """Start no worker that would execute code less safely than the settings promise."""
    if told := import_string("gateway.sandbox.readiness.problem")():
        raise SystemExit(told)  # signals swallow any other exception


@worker_init.connect
def refuse_wrong_settings(**_: Any) -> None:
    """A worker does not start either where `serve` would not."""
    if found := run_checks(tags=[checks.TAG]):
        sys.exit("\n".join(map(str, found)))
