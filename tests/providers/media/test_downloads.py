"""Pictures that an upstream only links to become data, from addresses that may be asked and no others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from providers import media
from providers.adapters.shapes import Response
from providers.client import Client
from providers.errors import AddressNotAllowed, BadAnswer, FirstByteTimeout, UpstreamError
from providers.plan import Group, Plan, Step
from providers.targets import Route, Target, Upstream
from tests.providers.fake import FakeUpstream

PNG = b"\x89PNG\r\n\x1a\n"
PLACE = "https://pictures.test/a.png"


def answer(*urls: str) -> dict[str, Any]:
    return {"created": 1, "data": [{"url": url} for url in urls]}


def fetching(responses: dict[str, Any]) -> media.Fetch:
    async def fetch(url: str) -> Response:
        found = responses[url]
        if isinstance(found, Exception):
            raise found
        return found

    return fetch


def picture(data: bytes = PNG, kind: str = "image/png", status: int = 200, **headers: str) -> Response:
    return Response(status, {"content-type": kind, **headers}, data)


async def test_links_become_data_in_their_places():
    said = {"created": 1, "data": [{"url": PLACE, "revised_prompt": "x"}, {"b64_json": "AAAA"}]}
    assert await media.downloaded(said, fetching({PLACE: picture()}))
    assert said["data"] == [{"revised_prompt": "x", "b64_json": base64.b64encode(PNG).decode()}, {"b64_json": "AAAA"}]


async def test_data_is_left_as_it_is():
    said = {"data": [{"b64_json": "AAAA"}]}
    assert not await media.downloaded(said, fetching({}))
    assert said == {"data": [{"b64_json": "AAAA"}]}


async def test_what_is_no_picture_is_left_as_it_is():
    said = {"data": [None, 5, "x"]}
    assert not await media.downloaded(said, fetching({}))


async def test_a_picture_that_has_moved_is_found():
    moved = picture(status=302, location="https://pictures.test/b.png")
    said = answer(PLACE)
    assert await media.downloaded(said, fetching({PLACE: moved, "https://pictures.test/b.png": picture()}))


@pytest.mark.parametrize(
    "found",
    [
        picture(status=404), picture(kind="text/html"), picture(data=b"x" * (media.MAX_BYTES + 1)),
        AddressNotAllowed(), FirstByteTimeout(), picture(status=302, location="ftp://x"),
    ],
)  # fmt: skip
async def test_a_picture_that_cannot_be_had_is_no_answer(found):
    with pytest.raises(BadAnswer, match="cannot be fetched"):
        await media.downloaded(answer(PLACE), fetching({PLACE: found}))


def plan(upstream: FakeUpstream, **options: Any) -> Plan:
    provider = Upstream("up", "openai", upstream.url, "", {"allow_private": True, **options})
    target = Target(1, provider, "up-1")
    return Plan((Group("m", Route("m", targets=(target,)), (target,)),))


async def let_go(step: Step) -> None:
    return None


async def test_what_an_upstream_links_to_may_be_as_near_as_it_is_itself(upstream: FakeUpstream):
    client = Client()
    upstream.will_answer(body=answer(f"http://127.0.0.1:{upstream.port}/a.png"))
    upstream.will_answer(body=PNG, kind="image/png")
    body = {"prompt": "x", "response_format": "b64_json"}
    reply = await client.answer("images.generations", body, plan(upstream), let_go)
    assert reply.raw is None
    assert base64.b64decode(reply.body["data"][0]["b64_json"]) == PNG
    assert [asked.path for asked in upstream.asked] == ["/v1/images/generations", "/a.png"]
    assert "authorization" not in upstream.asked[1].headers
    await client.close()


async def test_a_link_into_the_house_is_not_followed_for_an_upstream_outside(upstream: FakeUpstream):
    client = Client()
    outside = Upstream("up", "openai", "https://up.example")
    with pytest.raises(AddressNotAllowed):
        await client._fetched(outside, f"http://127.0.0.1:{upstream.port}/a.png")
    assert upstream.connections == 0
    await client.close()


async def test_pictures_that_came_whole_and_are_none_are_no_answer_to_who_wants_a_stream(upstream: FakeUpstream):
    client = Client()
    upstream.will_answer(body={"created": 1, "data": [None]})
    with pytest.raises(UpstreamError) as raised:
        await client.stream("images.generations", {"prompt": "x", "stream": True}, plan(upstream), let_go)
    assert [attempt.outcome for attempt in raised.value.tried] == [BadAnswer().outcome]
    await client.close()
