"""Pictures as data: what a caller links to, for upstreams that fetch nothing, and what an upstream links to."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from providers.adapters.shapes import Response
from providers.errors import BadAnswer, RequestRejected, UpstreamError

MAX_BYTES = 20 * 1024 * 1024
MAX_BYTES_TOGETHER = 64 * 1024 * 1024
MOST = 50
MOST_MOVES = 3
OCTETS = "application/octet-stream"
MOVED = frozenset((301, 302, 303, 307, 308))

Fetch = Callable[[str], Awaitable[Response]]


async def inlined(body: Mapping[str, Any], fetch: Fetch) -> Mapping[str, Any]:
    """Return ``body`` with every linked picture as a data URL. Raises ``RequestRejected`` for one that is not there."""
    urls = list(dict.fromkeys(links(body)))
    if not urls:
        return body
    if len(urls) > MOST:
        raise RequestRejected(f"At most {MOST} linked images can be sent to this model.", param="messages")
    data: dict[str, str] = {}
    for url in urls:
        data[url] = await _data_url(url, fetch)
        if sum(map(len, data.values())) > MAX_BYTES_TOGETHER * 4 // 3:
            raise _refused(url, f"makes the linked images more than {MAX_BYTES_TOGETHER >> 20} MiB together")
    return with_data(body, data)


async def downloaded(answer: Mapping[str, Any], fetch: Fetch) -> bool:
    """Put the data of pictures that an upstream only links to into its answer, in place; return whether there were any.

    Raises ``BadAnswer`` where one is not there: it is paid for, and cannot be shown.
    """
    pictures = [item for item in answer["data"] if isinstance(item, dict)]
    linked = [item for item in pictures if not item.get("b64_json") and item.get("url")]
    found = await asyncio.gather(*(_picture(str(item["url"]), fetch) for item in linked))
    for item, data in zip(linked, found, strict=True):
        del item["url"]
        item["b64_json"] = base64.b64encode(data).decode()
    return bool(linked)


async def _picture(url: str, fetch: Fetch) -> bytes:
    try:
        response = await _found(url, fetch)
    except UpstreamError as error:
        raise BadAnswer(f"The picture that was made cannot be fetched: its place {error.outcome}.") from None
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status != 200 or not kind.startswith(("image/", OCTETS)) or len(response.body) > MAX_BYTES:
        raise BadAnswer("The picture that was made cannot be fetched: no picture is where it should be.")
    return response.body


def links(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the web addresses of the pictures in ``body``."""
    for message in body.get("messages") or ():
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            url = _url_of(part)
            if url.startswith(("http://", "https://")):
                yield url


def with_data(body: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    """Return ``body`` with {link: data URL} put in."""
    return {**body, "messages": [_message(message, data) for message in body["messages"]]}


def _message(message: dict[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_part(part, data) for part in content]}


def _part(part: Any, data: Mapping[str, str]) -> Any:
    url = _url_of(part)
    return {**part, "image_url": {**_image(part), "url": data[url]}} if url in data else part


def _url_of(part: Any) -> str:
    url = _image(part).get("url")
    return url if isinstance(url, str) else ""


def _image(part: Any) -> dict[str, Any]:
    image = part.get("image_url") if isinstance(part, dict) else None
    if isinstance(image, str):
        return {"url": image}
    return image if isinstance(image, dict) else {}


async def _data_url(url: str, fetch: Fetch) -> str:
    try:
        response = await _found(url, fetch)
    except UpstreamError as error:
        raise _refused(url, error.outcome) from None
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status != 200:
        raise _refused(url, f"answered {response.status}")
    if not kind.startswith("image/") or len(response.body) > MAX_BYTES:
        raise _refused(url, f"is no image of at most {MAX_BYTES >> 20} MiB")
    return f"data:{kind};base64,{base64.b64encode(response.body).decode()}"


async def _found(url: str, fetch: Fetch) -> Response:
    """Return what is at ``url``, or where that says that it moved to; each step is fetched under the same rules."""
    response = await fetch(url)
    for _ in range(MOST_MOVES):
        place = _moved_to(url, response)
        if not place:
            break
        url, response = place, await fetch(place)
    return response


def _moved_to(url: str, response: Response) -> str:
    if response.status not in MOVED:
        return ""
    try:
        place = urljoin(url, response.headers.get("location", ""))
    except ValueError:
        return ""
    return place if place.startswith(("http://", "https://")) and place != url else ""


def _refused(url: str, why: str) -> RequestRejected:
    message = f"The image at {url[:200]} cannot be used: it {why}."
    return RequestRejected(message, code="invalid_image_url", param="messages")
