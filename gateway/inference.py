"""The one pipeline every door uses: admit, answer or stream, settle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from billing import clock, ids
from billing.fields import usd_text
from gateway import bodies, judged, limiting, options, runtime
from gateway.backends import hinted
from gateway.caching import hits, lookups
from gateway.calls import Call
from gateway.demands import FREE
from gateway.dispatching import dispatch
from gateway.errors import ModelMissing
from gateway.inquiry import Inquiry
from gateway.options import Options
from gateway.planning import Asker, plan_of, planned
from gateway.replies import JSON, Reply
from gateway.settling import settle
from gateway.snapshot import Snapshot
from gateway.streaming import OPENAI, Streaming, Writer, failure
from gateway.validation import validate
from providers.client import Answer, Stream
from providers.errors import Attempt, UpstreamError
from providers.operations import MEDIA
from providers.routes import Route

T = TypeVar("T")
Finish = Callable[[Call, Any], Awaitable[None]]
# whose usage is read off the answer itself, whatever it tells
WHOLE = MEDIA | judged.OPERATIONS
# what the log of a server says of a client that closed its connection
GONE = 499


async def admit(operation: str, inquiry: Inquiry, *, door: str = "") -> Call:
    """Return the admitted call, everything it needs in memory. Raises what ``gateway.errors`` translates.

    ``door`` names what the client has asked for where its body was translated into one of ``operation``.

    Touches no database. Rate limits are taken last, when nothing else can refuse; what the call may cost is reserved
    for each attempt by itself, before it is sent.
    """
    call, said = _considered(operation, inquiry, door)
    if call.route.cache is not None:
        call.cache = await lookups.look_up(call, said)
    await limiting.take(call)
    return call


def considered(operation: str, inquiry: Inquiry, *, door: str = "") -> Call:
    """Return the call as ``admit`` would, with nothing taken for it: for what is done later."""
    return _considered(operation, inquiry, door)[0]


def _considered(operation: str, inquiry: Inquiry, door: str) -> tuple[Call, Options]:
    inquiry.attempts = 0
    snapshot = runtime.current().configuration
    body = validate(operation, inquiry.body)
    said = options.taken(body, may_override=inquiry.caller.may_override)
    route, model = _route(snapshot, operation, body)
    route = hinted(route, body, may_choose=inquiry.caller.may_override)
    id = inquiry.record_id or ids.new(clock.now_us())
    asker = Asker(inquiry.caller, operation, ids.instant(ids.moment(id)))
    plan, prices, money = planned(snapshot, asker, model, route, said)
    call = Call(
        id=id,
        inquiry=inquiry,
        operation=operation,
        body=body,
        model=model,
        route=route,
        plan=plan,
        prices=prices,
        money=money,
        prompt_tokens=0 if operation in FREE else bodies.prompt_estimate(body),
        door=door,
    )
    return call, said


def _route(snapshot: Snapshot, operation: str, body: dict[str, Any]) -> tuple[Route, str]:
    model = body.get("model")
    if model is not None:
        return snapshot.routes.resolve(model), model
    route = snapshot.routes.default_for(operation)
    if route is None and operation in FREE:
        route = snapshot.routes.default_for("chat.completions")
    if route is None:
        raise ModelMissing
    return route, route.model


class Completed(NamedTuple):
    """A whole answer in OpenAI's words, its bytes where they may be forwarded as they came, and our headers of it.

    ``content_type`` is that of the bytes.
    """

    body: dict[str, Any]
    raw: bytes | None
    headers: list[tuple[str, str]]
    content_type: str = JSON[1]


async def answer(call: Call) -> Reply:
    """Return the whole answer for the wire, settled."""
    done = await complete(call)
    body = done.raw if done.raw is not None else msgspec.json.encode(done.body)
    return Reply(body, [("content-type", done.content_type), *done.headers])


async def complete(call: Call) -> Completed:
    """Return the whole answer, settled. A cancelled caller cancels the upstream, and it is settled as left."""
    with _settled_when_it_fails(call):
        reply = hits.answer_of(call, call.hit) if call.hit is not None else await _asked(call)
    cost = _settle_answer(call, "completed", 200, reply)
    if call.cache is not None:
        lookups.keep(call, reply.body, reply.raw)
    headers = call.headers(len(reply.attempts))
    if cost is not None:
        headers.append(("x-tollgate-cost", usd_text(cost)))
    return Completed(reply.body, reply.raw, headers, reply.content_type)


async def _asked(call: Call) -> Answer:
    asking = runtime.current().client.answer(call.operation, call.body, plan_of(call), partial(dispatch, call))
    return await (_outliving_the_client(call, asking, _finish_answer) if call.reads_on else asking)


def _settle_answer(call: Call, status: str, http_status: int, reply: Answer) -> int | None:
    call.answered(reply.target, reply.dropped)
    usage = reply.body.get("usage")
    return settle(
        call,
        status,
        http_status=http_status,
        usage=usage,
        tried=reply.attempts,
        skipped=reply.skipped,
        answer=None if isinstance(usage, dict) and usage and call.operation not in WHOLE else reply.body,
        service_tier=reply.body.get("service_tier"),
    )


async def _outliving_the_client(call: Call, asking: Coroutine[Any, Any, T], finish: Finish) -> T:
    """Return what is asked for; where the client leaves first, it is read all the same, for what it has cost."""
    task = asyncio.ensure_future(asking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if call.opened is None or task.cancelled():
            task.cancel()
            raise
        call.is_read_on = True
        runtime.current().read_on(_finish(call, task, finish))
        raise


async def _finish(call: Call, task: asyncio.Task[Any], finish: Finish) -> None:
    try:
        await finish(call, await task)
    except UpstreamError as error:
        settle(call, failure(error), http_status=error.status, tried=error.tried, skipped=error.skipped)
    finally:
        task.cancel()
        settle(call, call.inquiry.left_as, http_status=GONE)


async def _finish_answer(call: Call, reply: Answer) -> None:
    _settle_answer(call, call.inquiry.left_as, GONE, reply)


async def _finish_stream(call: Call, upstream: Stream) -> None:
    call.began(upstream.target, upstream.dropped)
    await Streaming(call, upstream).read_on()


async def stream(call: Call, writer: Writer = OPENAI) -> Streaming:
    """Return the stream once its first chunk is there, so that errors before it keep their HTTP status.

    ``writer`` says it in the client's dialect.
    """
    with _settled_when_it_fails(call):
        upstream = hits.stream_of(call, call.hit) if call.hit is not None else await _begun(call)
    call.began(upstream.target, upstream.dropped)
    return Streaming(call, upstream, writer)


async def _begun(call: Call) -> Stream:
    asking = runtime.current().client.stream(call.operation, call.body, plan_of(call), partial(dispatch, call))
    return await (_outliving_the_client(call, asking, _finish_stream) if call.reads_on else asking)


@contextmanager
def _settled_when_it_fails(call: Call) -> Iterator[None]:
    """Settle what ends before there is anything to show; the error goes on to the door."""
    try:
        yield
    except asyncio.CancelledError:
        if not call.is_read_on:
            settle(call, call.inquiry.left_as, http_status=GONE)
        raise
    except UpstreamError as error:
        settle(call, failure(error), http_status=error.status, tried=error.tried, skipped=error.skipped)
        _note_attempts(call, error.tried)
        raise
    except BaseException:
        settle(call, "upstream_error", http_status=500)
        _note_attempts(call)
        raise


def _note_attempts(call: Call, tried: Sequence[Attempt] = ()) -> None:
    """Let the error say how often it was tried, and by whom last."""
    inquiry = call.inquiry
    if tried:
        inquiry.attempts, inquiry.provider = len(tried), tried[-1].provider
    elif call.opened is not None:
        inquiry.attempts, inquiry.provider = call.opened.attempt, call.opened.provider
