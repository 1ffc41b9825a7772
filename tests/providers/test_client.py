"""Asking providers: what is sent, what comes back, what is tried when it goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
import sys
import textwrap
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers import dialling, errors
from providers.targets import Target, Upstream
from tests.providers.conftest import SECRET, plan, unnoted, wire
from tests.providers.fake import ANSWER, HELLO, chunk, compact, events

ERROR = {"error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}}


async def test_asks_the_upstream_in_its_own_name(ask, target, upstream):
    answer = await ask(target(upstream.url), temperature=0.5, brand_new_parameter={"x": 1}, caching=True)
    asked = upstream.asked[0]
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert "cookie" not in asked.headers
    assert asked.body == {
        "model": "up-1", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5,
        "brand_new_parameter": {"x": 1},
    }  # fmt: skip
    assert answer.body == ANSWER
    assert answer.raw == compact(ANSWER)


async def test_sends_the_providers_own_headers(ask, target, upstream):
    await ask(target(upstream.url, options={"headers": {"HTTP-Referer": "https://example.com"}}))
    assert upstream.asked[0].headers["http-referer"] == "https://example.com"


async def test_uses_one_connection_for_calls_after_each_other(ask, begin, target, upstream):
    upstream.will_stream(events(*HELLO))
    await wire(await begin(target(upstream.url)))
    for _ in range(3):
        await ask(target(upstream.url))
    assert upstream.connections == 1


async def test_streams_the_bytes_as_they_came(begin, target, upstream):
    upstream.will_stream(events(*HELLO))
    sent = await wire(await begin(target(upstream.url)))
    assert sent + b"data: [DONE]\n\n" == events(*HELLO)


async def test_gives_chunks_that_arrived_together_together(begin, target, upstream):
    upstream.will_stream(events(HELLO[0], done=False), events(*HELLO[1:]))
    batches = [batch async for batch in (await begin(target(upstream.url))).batches()]
    assert sum(map(len, batches)) == 4
    assert len(batches) < 4


async def test_asks_for_usage_and_keeps_it_from_a_caller_who_did_not(begin, target, upstream):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    upstream.will_stream(events(*(chunk | {"usage": None} for chunk in HELLO), chunk(None, usage=usage)))
    stream = await begin(target(upstream.url))
    chunks = [each async for batch in stream.batches() for each in batch]
    assert upstream.asked[0].body["stream_options"] == {"include_usage": True}
    assert b"".join(each.wire() for each in chunks) == events(*HELLO, done=False)
    assert [each.usage for each in chunks if each.usage] == [usage]


async def test_gives_usage_to_a_caller_who_asked(begin, target, upstream):
    sent = events(*(chunk | {"usage": None} for chunk in HELLO), chunk(None, usage={"total_tokens": 5}))
    upstream.will_stream(sent)
    stream = await begin(target(upstream.url), stream_options={"include_usage": True, "include_obfuscation": False})
    assert await wire(stream) + b"data: [DONE]\n\n" == sent
    assert upstream.asked[0].body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


async def test_asks_no_usage_of_an_upstream_that_would_refuse(begin, target, upstream):
    upstream.will_stream(events(*HELLO))
    await wire(await begin(target(upstream.url, quirks={"stream_usage": False})))
    assert "stream_options" not in upstream.asked[0].body


async def test_reads_an_answer_that_is_compressed_nevertheless(ask, begin, target, upstream):
    upstream.will_answer(body=gzip.compress(compact(ANSWER)), content_encoding="gzip")
    upstream.will_answer(body=zlib.compress(compact(ANSWER)), content_encoding="deflate")
    upstream.will_answer(body=gzip.compress(events(*HELLO)), kind="text/event-stream", content_encoding="gzip")
    for _ in range(2):
        assert (await ask(target(upstream.url))).body == ANSWER
    assert await wire(await begin(target(upstream.url))) == events(*HELLO, done=False)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_an_answer_that_cannot_be_unpacked_is_a_bad_one(ask, begin, target, upstream, encoding):
    for call in (ask, begin):
        upstream.will_answer(body=b"not packed at all", content_encoding=encoding)
        with pytest.raises(errors.BadAnswer):
            await call(target(upstream.url))


async def test_an_answer_that_unpacks_to_absurd_lengths_is_a_bad_one(ask, target, upstream):
    upstream.will_answer(body=gzip.compress(b" " * 40_000_000), content_encoding="gzip")
    with pytest.raises(errors.BadAnswer):
        await ask(target(upstream.url))


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, errors.RequestRejected, 400),
        (422, errors.RequestRejected, 400),
        (413, errors.RequestTooLarge, 413),
        (401, errors.KeyRefused, 401),
        (403, errors.AccountRefused, 502),
        (402, errors.AccountRefused, 502),
        (408, errors.UpstreamTimeout, 504),
        (409, errors.Conflict, 502),
        (429, errors.RateLimited, 429),
        (500, errors.ServerError, 502),
        (503, errors.UpstreamBusy, 503),
        (504, errors.UpstreamTimeout, 504),
        (302, errors.BadAnswer, 502),
        (405, errors.BadAnswer, 502),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_upstreams_refusal_has_a_meaning(ask, begin, target, upstream, status, kind, expected, streamed):
    upstream.will_answer(status, ERROR, location="http://127.0.0.1:1/")
    with pytest.raises(kind) as caught:
        await (begin if streamed else ask)(target(upstream.url))
    assert caught.value.status == expected
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_rejected_request_keeps_what_the_upstream_said(ask, target, upstream, status):
    upstream.will_answer(status, ERROR)
    with pytest.raises(errors.RequestRejected) as caught:
        await ask(target(upstream.url), retries=3)
    error = caught.value
    assert (str(error), error.type, error.param, error.code) == (
        "No.",
        "invalid_request_error",
        "n",
        "invalid_value",
    )
    assert len(upstream.asked) == 1


async def test_a_rejection_never_repeats_the_key(ask, target, upstream):
    upstream.will_answer(400, {"error": {"message": f"bad request with {SECRET} at {upstream.url}"}})
    with pytest.raises(errors.RequestRejected) as caught:
        await ask(target(upstream.url))
    assert SECRET not in caught.value.message
    assert upstream.url not in caught.value.message
    assert SECRET not in repr(caught.value)


async def test_a_key_too_short_to_be_a_secret_leaves_words_alone(ask, target, upstream):
    upstream.will_answer(400, ERROR)
    short = target(upstream.url, options={"headers": {"x-plan": "in"}})
    with pytest.raises(errors.RequestRejected) as caught:
        await ask(replace(short, provider=replace(short.provider, secret="v")))
    assert (caught.value.type, caught.value.code) == ("invalid_request_error", "invalid_value")


async def test_a_key_that_the_upstream_refuses_is_not_the_callers(ask, target, upstream):
    upstream.will_answer(401, {"error": {"message": f"Incorrect API key: {SECRET}", "code": "invalid_api_key"}})
    with pytest.raises(errors.KeyRefused, match="Your API key is fine") as caught:
        await ask(target(upstream.url))
    assert SECRET not in str(caught.value)


async def test_a_model_unknown_to_the_only_upstream_is_not_found(ask, target, upstream, other):
    body = {"error": {"message": "The model `up-1` does not exist", "code": "model_not_found"}}
    upstream.will_answer(404, body)
    with pytest.raises(errors.ModelMissing) as caught:
        await ask(target(upstream.url))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    upstream.will_answer(404, body)
    other.will_answer(404, body)
    with pytest.raises(errors.UpstreamError) as caught:
        await ask(target(upstream.url), target(other.url))
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry_after": "7"}, 7), ({"retry_after_ms": "6500"}, 6.5), ({"retry_after": "soon"}, None), ({}, None)],
)
async def test_rate_limits_say_when_to_come_back(ask, target, upstream, headers, seconds):
    upstream.will_answer(
        429, {"error": {"message": "Slow", "type": "tokens", "code": "rate_limit_exceeded"}}, **headers
    )
    with pytest.raises(errors.RateLimited) as caught:
        await ask(target(upstream.url))
    assert caught.value.retry_after == seconds
    assert (caught.value.type, caught.value.code) == ("tokens", "rate_limit_exceeded")


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"", b"[]", b'{"hello": 1}', b'{"choices": 5}', b'"\xff"']
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_no_answer_is_a_bad_one(ask, begin, target, upstream, body, streamed):
    upstream.will_answer(200, body, kind="text/html")
    with pytest.raises(errors.UpstreamFailed) as caught:
        await (begin if streamed else ask)(target(upstream.url))
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"error": {"message": "x", "code": 429}}, 429),
        ({"error": {"message": "x", "code": "context_length_exceeded"}}, 400),
        ({"error": {"message": "x", "type": "overloaded_error"}}, 503),
        ({"error": "something"}, 502),
        ({"choices": [{"error": {"message": "x", "code": 502}, "finish_reason": "error"}]}, 502),
    ],
)
async def test_an_error_inside_a_200_counts_as_what_it_says(ask, begin, target, upstream, said, status):
    upstream.will_answer(200, said)
    upstream.will_stream(events(said, done=False))
    for call in (ask, begin):
        with pytest.raises(errors.UpstreamError) as caught:
            await call(target(upstream.url))
        assert caught.value.status == status


async def test_connection_refused(ask, target, upstream):
    await upstream.stop()
    with pytest.raises(errors.ConnectionRefused):
        await ask(target(upstream.url))


@pytest.mark.parametrize("streamed", [False, True])
async def test_connection_reset(ask, begin, target, upstream, streamed):
    upstream.will_reset()
    with pytest.raises(errors.ConnectionLost):
        await (begin if streamed else ask)(target(upstream.url))


async def test_name_that_does_not_resolve(ask, target):
    with pytest.raises(errors.NameNotResolved):
        await ask(target("http://nowhere.invalid/v1"))


async def test_a_certificate_that_nobody_vouches_for(ask, target, tls_upstream):
    with pytest.raises(errors.TlsFailed) as caught:
        await ask(target(tls_upstream.url.replace("http:", "https:")), retries=3)
    assert len(caught.value.tried) == 1


async def test_a_certificate_that_is_vouched_for(ask, target, tls_upstream, monkeypatch):
    monkeypatch.setattr(dialling, "_context", ssl.create_default_context(cadata=tls_upstream.certificate))
    for _ in range(2):
        assert (await ask(target(tls_upstream.url.replace("http:", "https:")))).status == 200
    assert tls_upstream.connections == 1


async def test_connecting_too_long(ask, target):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        held = socket.create_connection(address)
        with pytest.raises(errors.ConnectTimeout):
            await ask(target(f"http://127.0.0.1:{address[1]}/v1", options={"timeouts": {"connect": 0.1}}))
        held.close()


@pytest.mark.parametrize("streamed", [False, True])
async def test_no_first_byte_in_time(ask, begin, target, upstream, streamed):
    upstream.will_hang()
    with pytest.raises(errors.FirstByteTimeout) as caught:
        await (begin if streamed else ask)(target(upstream.url, options={"timeouts": {"first_byte": 0.5}}))
    assert caught.value.status == 504
    await asyncio.wait_for(upstream.left.wait(), 5)


async def test_a_target_has_its_own_total_time(ask, target, upstream):
    upstream.will_hang()
    with pytest.raises(errors.UpstreamTimeout):
        await ask(target(upstream.url, timeout=0.05))


async def test_headers_without_a_chunk_are_no_beginning(begin, target, upstream, other):
    upstream.will_stream(hang=True)
    other.will_stream(events(*HELLO))
    hanging = target(upstream.url, options={"timeouts": {"first_byte": 0.5}})
    assert (await begin(hanging, target(other.url))).attempts[0].outcome == "did not begin to answer in time"


@pytest.mark.parametrize(
    ("timeouts", "kind"), [({"chunk": 0.05}, errors.ChunkTimeout), ({"total": 0.2}, errors.TotalTimeout)]
)
async def test_silence_after_the_first_chunk_ends_the_stream(begin, target, upstream, other, timeouts, kind):
    upstream.will_stream(events(*HELLO[:2], done=False), hang=True)
    stream = await begin(target(upstream.url, options={"timeouts": timeouts}), target(other.url))
    got: list[Any] = []
    with pytest.raises(kind):
        await _collect(stream, got)
    assert [each.text for each in got] == ["", "Hel"]
    assert other.asked == []
    await asyncio.wait_for(upstream.left.wait(), 5)


async def test_a_stream_cut_in_the_middle_gives_what_came_and_then_an_error(begin, target, upstream):
    upstream.will_stream(events(*HELLO[:3], done=False), cut=True)
    got: list[Any] = []
    with pytest.raises(errors.UpstreamFailed) as caught:
        await _collect(await begin(target(upstream.url)), got)
    assert "".join(each.text for each in got) == "Hello"
    assert caught.value.status == 502
    assert str(caught.value) == "The answer broke off: up/up-1 ended its answer before it was finished."
    assert [attempt.outcome for attempt in caught.value.tried] == [errors.StreamCut.outcome]


async def test_a_stream_cut_after_its_finish_is_whole(begin, target, upstream):
    upstream.will_stream(events(*HELLO, done=False), cut=True)
    assert await wire(await begin(target(upstream.url))) == events(*HELLO, done=False)


async def test_a_stream_that_ends_without_a_finish_is_cut(begin, target, upstream):
    upstream.will_stream(events(*HELLO[:3], done=False))
    with pytest.raises(errors.StreamCut):
        await _collect(await begin(target(upstream.url)), [])


async def test_a_finished_stream_needs_no_done(begin, target, upstream):
    upstream.will_stream(events(*HELLO, done=False))
    assert await wire(await begin(target(upstream.url))) == events(*HELLO, done=False)


async def test_a_last_event_without_its_blank_line_counts(begin, target, upstream):
    upstream.will_stream(events(*HELLO, done=False)[:-2])
    assert await wire(await begin(target(upstream.url))) == events(*HELLO, done=False)


async def test_an_error_in_mid_stream_comes_after_the_chunks_before_it(begin, target, upstream):
    broken = {"error": {"message": "overloaded", "type": "overloaded_error"}}
    upstream.will_stream(events(*HELLO[:2], broken, done=False))
    got: list[Any] = []
    with pytest.raises(errors.UpstreamBusy):
        await _collect(await begin(target(upstream.url)), got)
    assert [each.text for each in got] == ["", "Hel"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-ndjson"])
async def test_events_are_known_by_their_beginning_whatever_they_are_called(begin, target, upstream, kind):
    upstream.will_answer(body=events(*HELLO), kind=kind)
    assert await wire(await begin(target(upstream.url))) == events(*HELLO, done=False)


@pytest.mark.parametrize("piece", [b": keep-alive\n\n", b"\n", b"event: ping\n\n"])
async def test_noise_on_a_stream_does_no_harm(begin, target, upstream, piece):
    upstream.will_stream(piece, events(HELLO[0], done=False), piece, events(*HELLO[1:]))
    assert await wire(await begin(target(upstream.url))) == events(*HELLO, done=False)


@pytest.mark.parametrize("sent", [events(), events(chunk(None)), events(chunk(None, usage={"total_tokens": 1}))])
async def test_a_stream_without_a_word_is_no_stream(begin, target, upstream, other, sent):
    upstream.will_stream(sent)
    other.will_stream(events(*HELLO))
    stream = await begin(target(upstream.url), target(other.url))
    assert len(stream.attempts) == 2


async def test_a_giant_event_is_refused(begin, target, upstream):
    upstream.will_stream(events(*HELLO[:2], done=False), b"data: " + b"x" * 1_100_000)
    with pytest.raises(errors.BadAnswer):
        await _collect(await begin(target(upstream.url)), [])


async def test_leaving_closes_the_upstream_at_once(begin, ask, target, upstream):
    upstream.will_stream(events(*HELLO[:2], done=False), hang=True)
    reading = asyncio.ensure_future(wire(await begin(target(upstream.url))))
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait_for(upstream.left.wait(), 5)
    upstream.left.clear()
    upstream.will_hang()
    asking = asyncio.ensure_future(ask(target(upstream.url)))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait_for(upstream.left.wait(), 5)


async def test_closing_a_stream_that_nobody_reads_leaves_the_upstream(begin, target, upstream):
    upstream.will_stream(events(*HELLO[:2], done=False), hang=True)
    await (await begin(target(upstream.url))).aclose()
    await asyncio.wait_for(upstream.left.wait(), 5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "169.254.169.254", "0.0.0.0"])
async def test_a_private_address_needs_the_rows_leave(client, host):
    row = Target(1, Upstream("inner", "openai", f"http://{host}:9/v1"), "m")
    with pytest.raises(errors.AddressNotAllowed) as caught:
        await client.answer("chat.completions", {}, plan(row, retries=2), unnoted)
    assert host not in str(caught.value)
    assert len(caught.value.tried) == 1


def test_an_open_client_does_no_harm_at_exit(tmp_path):
    script = tmp_path / "leave.py"
    script.write_text(textwrap.dedent(LEAVE_OPEN))
    left = subprocess.run([sys.executable, script], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert left.returncode == 0, left.stderr
    assert b"answered" in left.stdout


ROOT = Path(__file__).parents[2]
LEAVE_OPEN = """
    import asyncio
    from providers.client import Client
    from providers.targets import Target, Upstream
    from tests.providers.conftest import plan, unnoted
    from tests.providers.fake import HELLO, FakeUpstream, events

    async def main():
        upstream = await FakeUpstream().start()
        upstream.will_stream(events(*HELLO[:2], done=False), hang=True)
        target = Target(1, Upstream("up", "openai", upstream.url, options={"allow_private": True}), "m")
        globals()["client"] = Client()
        stream = await client.stream("chat.completions", {"stream": True}, plan(target), unnoted)
        async for batch in stream.batches():
            print("answered")
            break

    asyncio.run(main())
"""


async def _collect(stream: Any, into: list[Any]) -> None:
    async for batch in stream.batches():
        into += batch
