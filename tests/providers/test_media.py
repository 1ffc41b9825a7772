"""Pictures that callers link to: fetched for upstreams that fetch nothing, from public places only."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from providers import errors, media
from providers.adapters.shapes import Response
from providers.client import Client
from providers.http import httpx
from tests.providers.conftest import plan, unnoted
from tests.providers.fake import compact

PNG = b"\x89PNG\r\n\x1a\n\0\xff"
DATA = base64.b64encode(PNG).decode()
SAID = {"model": "m", "message": {"role": "assistant", "content": "A cat."}, "done": True, "done_reason": "stop"}
Answers = Callable[[httpx.Request], httpx.Response]


def linking(*urls: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}]


class Web(httpx.AsyncBaseTransport):
    """The whole world at once: pictures where they are linked, and a model everywhere else."""

    def __init__(self, **answers: httpx.Response | Exception) -> None:
        self.answers = answers
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if request.method == "POST":
            return httpx.Response(200, headers={"content-type": "application/json"}, content=compact(SAID))
        answer = self.answers[request.url.path.strip("/")]
        if isinstance(answer, Exception):
            raise answer
        return answer


def picture(kind: str = "image/png", content: bytes = PNG, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={"content-type": kind, **headers}, content=content)


async def ask(web: Web, target: Any, *urls: str, adapter: str = "ollama") -> Any:
    return await asked(Client(web), target("http://up.test", adapter=adapter), *urls)


async def asked(client: Client, target: Any, *urls: str) -> Any:
    body = {"model": "public", "messages": linking(*urls)}
    return await client.answer("chat.completions", body, plan(target), unnoted)


async def test_a_linked_picture_reaches_the_model_as_data(target):
    web = Web(cat=picture("image/png; charset=binary"), dog=picture(content=b"dog"))
    await ask(web, target, "https://pictures.test/cat", "https://pictures.test/dog", "https://pictures.test/cat")
    *fetched, said = web.asked
    assert [str(each.url) for each in fetched] == ["https://pictures.test/cat", "https://pictures.test/dog"]
    assert b"authorization" not in {name.lower() for each in fetched for name, _ in each.headers.raw}
    (message,) = json.loads(said.read())["messages"]
    assert message["images"] == [DATA, base64.b64encode(b"dog").decode(), DATA]


async def test_a_format_that_takes_links_gets_them_as_they_are(target):
    web = Web()
    with pytest.raises(errors.BadAnswer):
        await ask(web, target, "https://pictures.test/cat", adapter="openai")
    assert [each.method for each in web.asked] == ["POST"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (picture(status=404), "answered 404"),
        (picture(status=500), "answered 500"),
        (picture("text/html", b"<html>"), "is no image"),
        (picture("", PNG), "is no image"),
        (picture(content=b"x" * (media.MAX_BYTES + 1)), "is no image of at most 20 MiB"),
        (picture(content_encoding="br", **{"content-encoding": "br"}), "cannot be read"),
        (errors.ConnectionRefused(), "refused the connection"),
        (errors.AddressNotAllowed(), "may not connect to"),
        (httpx.ConnectError("no"), "could not be connected to"),
    ],
)
async def test_a_link_that_leads_to_no_picture_is_the_callers_fault(target, answer, why):
    web = Web(cat=answer)
    with pytest.raises(errors.RequestRejected, match=why) as caught:
        await ask(web, target, "https://pictures.test/cat")
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "invalid_image_url", "messages")
    assert "https://pictures.test/cat" in caught.value.message
    assert [each.method for each in web.asked] == ["GET"]


@pytest.mark.parametrize("url", ["http://[", "https://", "http://a b/", "http://x:99999/", "https://" + "a" * 70_000])
async def test_a_link_that_is_no_address_is_refused(target, client, url):
    with pytest.raises(errors.RequestRejected) as caught:
        await asked(client, target("http://127.0.0.1:1", adapter="ollama"), url)
    assert caught.value.code == "invalid_image_url"
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost"])
async def test_a_link_to_a_private_address_is_refused_even_where_the_model_is_at_one(client, target, upstream, host):
    with pytest.raises(errors.RequestRejected, match="may not connect to") as caught:
        await asked(client, target(upstream.url, adapter="ollama"), f"http://{host}:{upstream.port}/cat.png")
    assert caught.value.status == 400
    assert upstream.connections == 0


async def test_a_picture_that_has_moved_is_found(target):
    moved = picture(status=302, location="/there")
    web = Web(cat=moved, there=picture())
    await ask(web, target, "https://pictures.test/cat")
    assert [each.url.path for each in web.asked[:2]] == ["/cat", "/there"]


@pytest.mark.parametrize("location", ["/cat", "ftp://pictures.test/cat", "", "http://[", "data:image/png;base64,AAAA"])
async def test_a_picture_that_is_never_found_is_refused(target, location):
    web = Web(cat=picture(status=302, location=location))
    with pytest.raises(errors.RequestRejected, match="answered 302"):
        await ask(web, target, "https://pictures.test/cat")
    assert len(web.asked) <= 1 + media.MOST_MOVES


async def test_a_picture_that_does_not_come_is_not_waited_for(target, monkeypatch):
    monkeypatch.setattr("providers.client.LINK_SECONDS", 0.05)

    class Slow(Web):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            raise AssertionError

    with pytest.raises(errors.RequestRejected, match="did not finish in time"):
        await ask(Slow(), target, "https://pictures.test/cat")


async def test_too_many_links_are_refused_before_any_is_fetched(target):
    web = Web()
    with pytest.raises(errors.RequestRejected, match="At most 50"):
        await ask(web, target, *(f"https://pictures.test/{number}" for number in range(51)))
    assert web.asked == []


async def test_too_many_bytes_are_refused(target):
    web = Web(**{str(number): picture(content=b"x" * (15 << 20)) for number in range(6)})
    with pytest.raises(errors.RequestRejected, match="64 MiB") as caught:
        await ask(web, target, *(f"https://pictures.test/{number}" for number in range(6)))
    assert caught.value.code == "invalid_image_url"
    assert len(web.asked) == 5


async def test_the_callers_body_stays_as_it_was():
    plain = {"role": "user", "content": [{"type": "image_url", "image_url": "https://pictures.test/cat"}]}
    body = {"messages": [{"role": "system", "content": "x"}, *linking("https://pictures.test/cat"), plain]}

    async def fetch(url: str) -> Response:
        return Response(200, {"content-type": "image/png"}, PNG)

    before = compact(body)
    told = await media.inlined(body, fetch)
    urls = [message["content"][0]["image_url"]["url"] for message in told["messages"][1:]]
    assert urls == [f"data:image/png;base64,{DATA}"] * 2
    assert compact(body) == before


def test_only_pictures_on_the_web_are_links():
    parts = [
        {"type": "image_url", "image_url": {"url": url}} for url in ("data:image/png;base64,AA", "file:///etc", "")
    ]
    body = {
        "messages": [
            {"role": "user", "content": [*parts, {"type": "text", "text": "http://a.test"}, {"type": "image_url"}]}
        ]
    }
    assert list(media.links(body)) == []
