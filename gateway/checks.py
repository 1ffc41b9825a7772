"""What is wrong with the settings and would only be noticed later: Django's system checks, of a tag of their own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from gateway import filestore

TAG = "tollgate"


def bucket_has_its_libraries(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Say what a bucket needs and is not installed: nothing else of the gateway needs it, so all else would work."""
    if settings.STORAGES["files"]["BACKEND"] != filestore.BUCKET:
        return []
    missing = [name for name in filestore.BUCKET_NEEDS if find_spec(name) is None]
    if not missing:
        return []
    return [
        Error(
            f"TOLLGATE_FILES names a bucket, and what speaks to one is not installed: {', '.join(missing)}.",
            hint='pip install "tollgate[s3]", or let TOLLGATE_FILES be a folder.',
            id="gateway.E001",
        )
    ]
