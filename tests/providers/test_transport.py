"""Connections to upstreams: how they are used again, cut, held back, and what is made of bytes that are not HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import errors, pool
from providers.connections import Connection
from providers.http import httpx
from providers.transport import SocketTransport
from tests.providers.fake import Reader, Writer

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"content-length: 0\r\n\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def transport() -> AsyncIterator[SocketTransport]:
    made = SocketTransport(allow_private=True)
    yield made
    await made.aclose()


@pytest.fixture
def post(transport, upstream) -> Callable[..., Any]:
    """Send a request and return the response as soon as its head is there."""

    async def send(body: bytes = b"{}", url: str = "", headers: dict[str, str] | None = None) -> httpx.Response:
        extensions = {"timeout": {"connect": 5}}
        request = httpx.Request(
            "POST", url or upstream.url, headers=headers, stream=httpx.ByteStream(body), extensions=extensions
        )
        return await transport.handle_async_request(request)

    return send


@pytest.fixture
def will_say(upstream) -> Callable[..., None]:
    """Let the upstream answer with these bytes, and close the connection where it ``leaves``."""

    def plan(*pieces: bytes, leaves: bool = False) -> None:
        async def script(_: Reader, writer: Writer) -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            if leaves:
                writer.close()

        upstream.scripts.append(script)

    return plan


async def whole(response: httpx.Response) -> bytes:
    """Return the body, and give the connection back."""
    body = b"".join([piece async for piece in response.stream])
    await response.stream.aclose()
    return body


async def test_calls_at_the_same_time_have_a_connection_each_and_later_ones_use_them(post, upstream):
    for _ in range(2):
        for response in await asyncio.gather(post(), post(), post()):
            await whole(response)
    assert (len(upstream.asked), upstream.connections) == (6, 3)


async def test_an_answer_that_is_complete_gives_its_connection_back_unread(post, upstream):
    for _ in range(2):
        await (await post()).stream.aclose()
    assert upstream.connections == 1


@pytest.mark.parametrize("answer", [EMPTY.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
                                    EMPTY.replace(b"1.1", b"1.0"), EMPTY + EMPTY, EMPTY + b"nonsense"])  # fmt: skip
async def test_a_connection_that_cannot_be_trusted_with_another_call_is_not(post, upstream, will_say, answer):
    will_say(answer)
    for _ in range(2):
        response = await post()
        await whole(response)
        assert response.status_code == 200
    assert upstream.connections == 2


async def test_what_an_upstream_says_unasked_is_no_answer_to_the_next_call(post, upstream, will_say):
    will_say(EMPTY, EMPTY.replace(b"200", b"500"))
    await whole(await post())
    await asyncio.sleep(0.02)
    assert (await post()).status_code == 200
    assert upstream.connections == 2


async def test_an_idle_connection_grows_old(post, upstream, monkeypatch):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0)
    for _ in range(2):
        await whole(await post())
    assert upstream.connections == 2


async def test_a_connection_that_was_closed_meanwhile_is_replaced(post, upstream, will_say):
    will_say(EMPTY, leaves=True)
    for _ in range(2):
        await whole(await post())
        await asyncio.sleep(0.02)
    assert upstream.connections == 2


async def test_a_farewell_that_nobody_has_read_yet_is_noticed(post):
    leave, left = threading.Event(), threading.Event()

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            with server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(EMPTY)
                leave.wait(5)
            left.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        await whole(await post(url=url))
        leave.set()
        left.wait(5)
        assert (await post(url=url)).status_code == 200
        thread.join()


@pytest.mark.parametrize("begun", [b"", b"H"])
async def test_what_was_sent_is_never_sent_again(post, upstream, will_say, begun):
    will_say(EMPTY)
    will_say(begun, leaves=True)
    await whole(await post())
    with pytest.raises(errors.ConnectionLost):
        await post()
    assert (len(upstream.asked), upstream.connections) == (2, 1)


async def test_a_new_connection_that_is_closed_is_lost(post, upstream, will_say):
    will_say(leaves=True)
    with pytest.raises(errors.ConnectionLost):
        await post()
    assert len(upstream.asked) == 1


async def test_closing_before_the_end_cuts_the_connection(post, upstream):
    upstream.will_stream(b"data", hang=True)
    response = await post()
    body = aiter(response.stream)
    assert await anext(body) == b"data"
    await response.stream.aclose()
    await asyncio.wait_for(upstream.left.wait(), 5)
    with pytest.raises(errors.StreamCut):
        await anext(body)


async def test_whoever_reads_is_told_that_the_transport_was_closed(post, transport, upstream):
    upstream.will_stream(hang=True)
    reading = asyncio.ensure_future(whole(await post()))
    await asyncio.sleep(0)
    await transport.aclose()
    with pytest.raises(errors.StreamCut):
        await reading
    await asyncio.wait_for(upstream.left.wait(), 5)


async def test_cancelling_cuts_the_connection(post, upstream):
    asked = asyncio.Event()

    async def script(reader: Reader, _: Writer) -> None:
        asked.set()
        await reader.read(1)
        upstream.left.set()

    upstream.scripts.append(script)
    asking = asyncio.ensure_future(post())
    await asked.wait()
    asking.cancel()
    await asyncio.wait_for(upstream.left.wait(), 5)


async def test_an_upstream_that_is_faster_than_its_reader_has_to_wait(post, upstream):
    written, total = 0, 64 * 2**20

    async def script(_: Reader, writer: Writer) -> None:
        nonlocal written
        writer.write(OK + b"content-length: %d\r\n\r\n" % total)
        while written < total:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    upstream.scripts.append(script)
    response = await post()
    await asyncio.sleep(0.3)
    assert written < total / 2
    assert len(await whole(response)) == total


async def test_a_large_request_arrives_whole(post, upstream):
    text = "x" * 20_000_000
    await whole(await post(json.dumps({"text": text}).encode()))
    assert upstream.asked[0].body["text"] == text


async def test_an_upstream_may_refuse_a_request_that_it_has_not_read(post):
    async def refuse(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n")
        await asyncio.sleep(0.2)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        response = await post(b"x" * 50_000_000, f"http://127.0.0.1:{port}/")
        assert response.status_code == 413
        await response.stream.aclose()


async def test_a_body_without_a_length_ends_with_the_connection(post, will_say):
    for head in (OK, b"HTTP/1.0 200 OK\r\n"):
        will_say(head + b"\r\n", b"one ", b"two", leaves=True)
        assert await whole(await post()) == b"one two"


@pytest.mark.parametrize(
    "answer", [OK + b"content-length: 9\r\n\r\nabc", CHUNKED + b"9\r\nabc", CHUNKED + b"3\r\nabc\r\n"]
)
async def test_an_answer_that_is_shorter_than_it_says_is_cut(post, will_say, answer):
    will_say(answer, leaves=True)
    with pytest.raises(errors.StreamCut):
        await whole(await post())


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_needs_no_length(post, upstream, will_say, status):
    will_say(b"HTTP/1.1 %d None\r\n\r\n" % status)
    response = await post()
    assert (response.status_code, await whole(response)) == (status, b"")
    await whole(await post())
    assert upstream.connections == 1


async def test_provisional_answers_are_passed_over(post, will_say):
    will_say(
        b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 2\r\n\r\n{}"
    )
    response = await post()
    assert (response.status_code, "link" in response.headers, await whole(response)) == (200, False, b"{}")


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"x: " + b"y" * 70_000 + b"\r\ncontent-length: 2\r\n\r\n{}",
        OK + b"x: " + b"y" * 70_000,
        OK + b"x: y\r\n" * 20_000 + b"content-length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" * 20_000,
        b"nonsense\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 101 Other\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
        CHUNKED + b"oops\r\n",
        CHUNKED + b"1;" + b"x" * 150_000,
        CHUNKED + b"1\r\nx\r\n0\r\ntrailer: " + b"x" * 150_000,
    ],
    ids=["long head", "endless head", "many headers", "endless hints", "words", "ssh", "two lengths",
         "length and chunks", "upgrade", "no chunk", "endless extension", "endless trailer"],
)  # fmt: skip
async def test_what_is_not_http_is_a_bad_answer(post, will_say, answer):
    will_say(*(answer[start : start + 10_000] for start in range(0, len(answer), 10_000)))
    with pytest.raises(errors.BadAnswer):
        await whole(await post())


async def test_a_request_says_whom_it_is_for(post, upstream):
    await whole(await post(b'{"a":1}', upstream.url + "/x%20y?q=1"))
    asked = upstream.asked[0]
    assert asked.path == "/v1/x%20y?q=1"
    assert asked.headers == {"host": upstream.url.split("/")[2], "content-length": "7"}


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\ny", "a\ry", "a\0y"])
async def test_a_header_cannot_hold_another(post, upstream, value):
    with pytest.raises(httpx.LocalProtocolError):
        await post(headers={"authorization": value})
    assert upstream.asked == []


@pytest.mark.parametrize("url", ["ftp://example.com/", "http:///path"])
async def test_only_http_has_a_way_out(post, url):
    with pytest.raises(errors.AddressNotAllowed):
        await post(url=url)


async def test_a_proxy_in_the_environment_is_none_of_ours(post, upstream, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await post()).status_code == 200


async def test_a_names_addresses_are_tried_in_order_and_asked_for_once(upstream):
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.9", "127.0.0.1"]

    transport = SocketTransport(allow_private=True, resolve=resolve)
    url = f"http://api.example.com:{upstream.port}/"
    requests = [httpx.Request("POST", url, stream=httpx.ByteStream(b"{}")) for _ in range(5)]
    for response in await asyncio.gather(*map(transport.handle_async_request, requests)):
        assert response.status_code == 200
    await transport.aclose()
    assert asked == ["api.example.com"]


@pytest.mark.parametrize("host", ["a" * 70 + ".example.com", "nowhere.invalid"])
async def test_a_name_that_cannot_be_found_is_asked_for_again(post, host):
    for _ in range(2):
        with pytest.raises(errors.NameNotResolved):
            await post(url=f"http://{host}/")


ANSWER = (
    b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED.replace(b"\r\n\r\n", b"\r\nx: y\r\n\r\n")
    + b"5;ext=1\r\nHello\r\n1\r\n,\r\nA\r\n wor\r\nld!!\r\n0\r\ntrailer: t\r\n\r\n"
)  # fmt: skip


@given(st.sets(st.integers(1, len(ANSWER) - 1)))
async def test_an_answer_is_the_same_however_it_is_cut(cuts):
    connection = Connection()
    connection.connection_made(Wire())
    sending = asyncio.ensure_future(connection.send(b"", b""))
    bounds = [0, *sorted(cuts), len(ANSWER)]
    await asyncio.sleep(0)
    for start, end in pairwise(bounds):
        connection.data_received(ANSWER[start:end])
    await sending
    assert connection.status == 200
    assert connection.headers == [(b"transfer-encoding", b"chunked"), (b"x", b"y")]
    assert await connection.read() == b"Hello, wor\r\nld!!"
    assert await connection.read() == b""
    assert connection.is_reusable


class Wire(asyncio.Transport):
    """Takes what is written to it nowhere."""

    def write(self, data: bytes) -> None:
        return

    def is_closing(self) -> bool:
        return False
