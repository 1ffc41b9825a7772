"""Files that items name by their ids: what a model is told of them is their content."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from accounts.callers import Caller
from gateway.fieldchecks import Invalid
from gateway.files import reading
from gateway.files.reading import TooLarge
from gateway.files.store import UnknownFile

HOLDERS = ("content", "output")
# part: where its data stands
DATA = {"input_image": "image_url", "input_file": "file_data"}


async def told(caller: Caller, items: Sequence[dict[str, Any]], own: int) -> list[dict[str, Any]]:
    """Return the items with the data of their files. The last ``own`` are the request's. Raises ``Invalid``."""
    before = len(items) - own
    return [
        await _told(caller, item, f"input[{at - before}]" if at >= before else "input") for at, item in enumerate(items)
    ]


async def _told(caller: Caller, item: dict[str, Any], place: str) -> dict[str, Any]:
    for name in HOLDERS:
        parts = item.get(name)
        if isinstance(parts, list) and any(map(_lacks_data, parts)):
            read = [await _part(caller, part, f"{place}.{name}[{at}]") for at, part in enumerate(parts)]
            item = {**item, name: read}
    return item


def _lacks_data(part: Any) -> bool:
    """Whether the part's data is to be read from a file of the caller's."""
    if not isinstance(part, dict) or not part.get("file_id"):
        return False
    return part.get("type") in DATA and not part.get(DATA[part["type"]]) and not part.get("file_url")


async def _part(caller: Caller, part: dict[str, Any], place: str) -> dict[str, Any]:
    if not _lacks_data(part):
        return part
    try:
        stored = await reading.file_of(caller, part["file_id"])
        data = await reading.content(stored, settings.MAX_BODY_BYTES)
    except UnknownFile:
        raise Invalid(f"No such file: '{part['file_id']}'.", f"{place}.file_id", None) from None
    except TooLarge as error:
        raise Invalid(f"The file is larger than {error.limit} bytes.", f"{place}.file_id") from None
    url = f"data:{stored.content_type or 'application/octet-stream'};base64,{b64encode(data).decode()}"
    return {"filename": stored.filename, **part, DATA[part["type"]]: url}
