"""Pictures that a JSON body names by the ids of files kept here: read from the storage, as if they were uploaded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings

from accounts.callers import Caller
from gateway.fieldchecks import Invalid, filled
from gateway.files import reading
from gateway.files.reading import TooLarge
from gateway.forms import Form, temporary_file
from gateway.inquiry import Inquiry
from providers.uploads import Upload

DATA = "data:image/"
MOST = 16


class Link(NamedTuple):
    """A picture as a body names it: where that stands, what it is for, and what it says."""

    place: str
    field: str
    said: Mapping[str, Any]


async def fetch(inquiry: Inquiry) -> None:
    """Make a body that names kept files one with their pictures, which go with its form.

    Raises ``Invalid``, ``UnknownFile``, ``TooLarge`` or ``NoRoom``.
    """
    links = _links(inquiry.body)
    if all(link.said.get("file_id") is None for link in links):
        return
    inquiry.form = Form([], [])
    left = settings.MAX_IMAGE_BYTES
    for link in links:
        inquiry.form.files.append(await _upload(inquiry.caller, link, left))
        left -= inquiry.form.files[-1].size
    body = {name: value for name, value in inquiry.body.items() if name not in ("images", "mask")}
    images = [upload for upload in inquiry.form.files if upload.field == "image"]
    masks = [upload for upload in inquiry.form.files if upload.field == "mask"]
    inquiry.body = body | ({"image": images[0] if len(images) == 1 else images}) | ({"mask": masks[0]} if masks else {})


def _links(body: Any) -> list[Link]:
    """Return the links of a body; none of one that is checked later and found wrong."""
    if not isinstance(body, dict) or not isinstance(body.get("images"), list):
        return []
    named = [Link(f"images[{at}]", "image", said) for at, said in enumerate(body["images"])]
    if body.get("mask") is not None:
        named.append(Link("mask", "mask", body["mask"]))
    is_good = 0 < len(body["images"]) <= MOST and all(isinstance(link.said, dict) for link in named)
    return named if is_good else []


async def _upload(caller: Caller, link: Link, most: int) -> Upload:
    id, url = link.said.get("file_id"), link.said.get("image_url")
    if (id is None) == (url is None):
        raise Invalid(f"'{link.place}' must have either 'file_id' or 'image_url'.", link.place)
    if id is None:
        return _decoded(link, url, most)
    filled(id, f"{link.place}.file_id")
    stored = await reading.file_of(caller, id)
    if stored.bytes > most:
        raise TooLarge(settings.MAX_IMAGE_BYTES)
    return await reading.upload(stored, link.field)


def _decoded(link: Link, url: Any, most: int) -> Upload:
    """Return a data URL as a file: in a form no picture is linked to."""
    kind, _, text = str(url).partition(";base64,")
    if not kind.startswith(DATA) or not text:
        place = f"{link.place}.image_url"
        raise Invalid(f"'{place}' must be a data URL in base64 where other images are named by 'file_id'.", place)
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Invalid(f"'{link.place}.image_url' is not valid base64.", f"{link.place}.image_url") from None
    if len(data) > most:
        raise TooLarge(settings.MAX_IMAGE_BYTES)
    file = temporary_file()
    file.write(data)
    kind = kind.removeprefix("data:")
    return Upload(link.field, f"{link.field}.{kind.rpartition('/')[2]}", kind, len(data), file)
