"""Pictures that messages show by their files' ids: what a model is told of them is their content."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from django.conf import settings

from accounts.callers import Caller
from gateway.files import reading
from gateway.files.reading import TooLarge
from gateway.files.store import UnknownFile


async def urls(caller: Caller, files: Sequence[str]) -> dict[str, str]:
    """Return the pictures as data URLs, by file id: without those that are gone, and of more than a request may hold
    only the last ones.
    """
    found: dict[str, str] = {}
    left = settings.MAX_BODY_BYTES
    for id in reversed(files):
        try:
            stored = await reading.file_of(caller, id)
            data = await reading.content(stored, left)
        except (UnknownFile, TooLarge):
            continue
        left -= len(data)
        found[id] = f"data:{stored.content_type or 'image/png'};base64,{b64encode(data).decode()}"
    return found
