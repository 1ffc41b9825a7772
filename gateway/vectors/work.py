"""A file on its way into a store: read, cut, embedded some pieces at a time, written down as it goes."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from django.conf import settings

from billing.limits import TOKENS
from gateway.asking import DatabaseAway
from gateway.batches import pace
from gateway.batches.calling import OURS, Later
from gateway.callers import caller_with
from gateway.errors import translate
from gateway.inquiry import Inquiry
from gateway.ratelimits import TYPES, LimitReached
from gateway.vectors import chunking, embedding, indexing, queue, reading
from gateway.vectors.extracting import INVALID
from gateway.vectors.queue import Lost, OtherDimensions, Taken
from gateway.vectors.reading import SERVER, Unreadable
from gateway.vectors.refusals import Unusable
from gateway.vectors.threads import in_thread
from providers.errors import UpstreamError

logger = logging.getLogger(__name__)

# files that one process has at work, and readers of files that run beside it
MOST_FILES, MOST_READERS = 4, 2
# files that wait here for rate limits, beside those at work: all of them, and those that one API key pays for
MOST_LIMITED, MOST_OF_ONE = 8, 2
MOST_PIECES = 20_000
BEAT_SECONDS = settings.VECTOR_LEASE_SECONDS / 3
# an upstream that fails is asked again after so long, and at last not any more
PAUSES = (2.0, 10.0, 30.0)
NO_MODEL = (
    "No model embeds texts here. An admin can make a route that does embeddings the default, "
    "or name one in `settings.embedding_model`."
)
NO_KEY = "The API key that added this file is gone."
OTHERWISE = "The embeddings of '{model}' are of another length than those in this vector store."
UNUSABLE = "The embeddings of '{model}' could not be used."
TOO_LARGE = (
    "One piece of this file alone is more than a rate limit lets through: {said} "
    "Let the limit be raised, or add the file again with smaller pieces (`chunking_strategy`)."
)

_readers = asyncio.Semaphore(MOST_READERS)
_workers = 0
# the API keys that pay for files which a rate limit has made wait here, by the files' ids
_limited: dict[int, int | None] = {}


class TooLarge(Unreadable):
    """A call is larger than a limit that it has to pass: it is refused for good, a smaller one may not be."""


def room() -> int:
    """Return how many more files this process takes; those that rate limits have made wait are beside them."""
    return MOST_FILES + len(_limited) - _workers


async def work() -> None:
    """Read files until none waits."""
    global _workers
    if room() <= 0:
        return
    _workers += 1
    try:
        # it stands in for one that waits; when that goes on, one of both is too many
        while room() >= 0 and (taken := await in_thread(queue.take, _crowded())) is not None:
            await done(taken)
    except DatabaseAway:
        logger.info("files for vector stores wait for the database")
    finally:
        _workers -= 1


def _crowded() -> list[int | None]:
    """Return the API keys of which no more files are taken here, as enough of them wait already."""
    return [key for key, count in Counter(_limited.values()).items() if count >= MOST_OF_ONE]


async def done(taken: Taken) -> None:
    """Read a file that this process has taken, until it has ended or is another's."""
    carrying, beating = asyncio.ensure_future(_carry(taken)), asyncio.ensure_future(_beat(taken))
    try:
        await asyncio.wait({carrying, beating}, return_when=asyncio.FIRST_COMPLETED)
        for task in (carrying, beating):
            if task.done():
                task.result()
    except Lost:
        logger.info("the file %d of %s is nothing to this process any more", taken.id, taken.store)
    except asyncio.CancelledError:
        await asyncio.shield(in_thread(queue.release, taken))
        raise
    except Exception:  # the outermost edge: its lease ends, and it is taken up again, a few times
        logger.exception("the file %d of %s cannot be read now", taken.id, taken.store)
    finally:
        for task in (carrying, beating):
            task.cancel()
        await asyncio.gather(carrying, beating, return_exceptions=True)
        _limited.pop(taken.id, None)


async def _beat(taken: Taken) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with suppress(DatabaseAway):
            await in_thread(queue.renew, taken)


async def _carry(taken: Taken) -> None:
    try:
        pieces = await _pieces(taken)
        await _embed_all(taken, pieces)
        await in_thread(queue.finish, taken)
    except Unreadable as error:
        await in_thread(queue.fail, taken, error.code, error.message)
        return
    except Later as later:
        await in_thread(queue.put_off, taken, later.seconds)
        return
    await in_thread(indexing.fill, taken.id)


async def _pieces(taken: Taken) -> list[str]:
    if taken.stored is None:
        raise Unreadable(INVALID, "The file is gone.")
    async with _readers:
        text = await reading.text_of(taken.stored)
    cut = chunking.cut(text, taken.size, taken.overlap)
    pieces = await in_thread(lambda: list(islice(cut, MOST_PIECES + 1)))
    if len(pieces) > MOST_PIECES:
        raise Unreadable(INVALID, f"The file is more than {MOST_PIECES} pieces: let them be larger, or overlap less.")
    return pieces


async def _embed_all(taken: Taken, pieces: Sequence[str]) -> None:
    """Embed what is not written down yet."""
    model = taken.model or embedding.model_now()
    if not model:
        raise Unreadable(SERVER, NO_MODEL)
    number, most = taken.done, embedding.MOST_TEXTS
    while number < len(pieces):
        texts = embedding.portion(pieces, number, most)
        try:
            vectors = await _embedded(taken, model, texts)
        except TooLarge as refused:
            most = _smaller(texts, refused)
            continue
        await _write(taken, model, number, texts, vectors)
        number += len(texts)


def _smaller(texts: Sequence[str], refused: TooLarge) -> int:
    """Return how many texts a call may have after that with ``texts`` was too large. Raises ``Unreadable``."""
    if len(texts) == 1:
        raise Unreadable(refused.code, TOO_LARGE.format(said=refused.message))
    return len(texts) // 2


async def _write(taken: Taken, model: str, number: int, texts: Sequence[str], vectors: Sequence[bytes]) -> None:
    try:
        await in_thread(queue.write, taken, model, number, texts, vectors)
    except OtherDimensions:
        raise Unreadable(SERVER, OTHERWISE.format(model=model)) from None


async def _embedded(taken: Taken, model: str, texts: Sequence[str]) -> list[bytes]:
    """Return the vectors of some texts, once there is room for the call.

    Raises ``Unreadable`` where it is refused, ``TooLarge`` where one with fewer texts may not be, ``Later`` where
    there is no place to wait for a rate limit.
    """
    pauses = list(PAUSES)
    while True:
        try:
            return (await embedding.embed(await _inquiry(taken), model, texts)).vectors
        except Unusable:
            raise Unreadable(SERVER, UNUSABLE.format(model=model)) from None
        except Unreadable:
            raise
        except Exception as error:  # as at the door: translate() logs what nobody foresaw
            seconds = _pause(error, pauses)
            if seconds is None:
                refused = TooLarge if _is_too_large(error) else Unreadable
                raise refused(SERVER, translate(error).message) from error
            if isinstance(error, LimitReached):
                _step_aside(taken, seconds)
        await asyncio.sleep(seconds)


def _pause(error: Exception, pauses: list[float]) -> float | None:
    """Return when to try again, None for never: what was asked is refused for good."""
    if isinstance(error, OURS):
        return pace.retry_seconds(translate(error).headers)
    if isinstance(error, UpstreamError) and (error.status >= 500 or error.status == 429) and pauses:
        return pauses.pop(0)
    return None


def _step_aside(taken: Taken, seconds: float) -> None:
    """Let a file wait beside those at work, who may go on for hours. Raises ``Later`` where too many do."""
    if taken.id in _limited:
        return
    if len(_limited) >= MOST_LIMITED or taken.api_key in _crowded():
        raise Later(seconds)
    _limited[taken.id] = taken.api_key


def _is_too_large(error: Exception) -> bool:
    return isinstance(error, LimitReached) and error.type == TYPES[TOKENS]


async def _inquiry(taken: Taken) -> Inquiry:
    """Return the inquiry of one call: each has a request id of its own, and a key that may have been revoked since."""
    if taken.api_key is None:
        raise Unreadable(SERVER, NO_KEY)
    caller = await caller_with(taken.api_key)
    return Inquiry({b"x-tollgate-tags": f"vector_store:{taken.store}".encode()}, caller)
