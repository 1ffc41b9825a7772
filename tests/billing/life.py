"""One process of the kill tests: ``python -m tests.billing.life serve|post``, until it is killed or told to end.

``serve`` opens, settles and leaves open requests as fast as it can; what it has done it says on standard output at
once: ``d ID`` for dispatched, ``s ID COST`` for settled. ``post`` posts whatever is stored, over and over.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import Error  # noqa: E402

from billing import clock, database, ids, ledger, lines  # noqa: E402
from billing.flusher import Flusher  # noqa: E402
from billing.holder import Holder  # noqa: E402
from billing.lines import Open  # noqa: E402
from billing.poll import Poller  # noqa: E402
from billing.pricing import PriceRow, Usage  # noqa: E402

PRICES = (PriceRow(1, "input", 0, "", "one", 3), PriceRow(2, "output", 0, "", "one", 5))
MOST_OPEN = 20


def say(word: str, *values: object) -> None:
    os.write(1, " ".join((word, *map(str, values), "\n")).encode())


def dispatch(holder: Holder) -> Open:
    id = ids.new(clock.now_us())
    opened = Open(
        id=id,
        request_id=f"req_{id}",
        operation="chat.completions",
        model=random.choice(("small", "large")),
        provider="fake",
        user=random.randint(1, 3),
        api_key=random.randint(1, 9),
        tags=("kill",),
        price_rows=PRICES,
        prompt_tokens=10,
    )
    holder.dispatch(opened, lambda: 7)
    say("d", id)
    return opened


def settle(holder: Holder, opened: Open) -> None:
    cost = random.randint(1, 10**6)
    usage = Usage(input=10, output=random.randint(1, 1000))
    holder.settle(lines.settled(opened, usage, cost=cost, status="completed", finished_at=clock.now_us()))
    say("s", opened.id, cost)


async def serve() -> None:
    holder = Holder.open(settings.JOURNAL, "here")
    flusher, poller = Flusher(holder), Poller(holder, lambda poll: None)
    flusher.start()
    poller.start()
    holder.run_sealer()
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    say("ready")
    opened: list[Open] = []
    while not ending.is_set():
        opened.append(dispatch(holder))
        if len(opened) > MOST_OPEN:
            settle(holder, opened.pop(random.randrange(len(opened))))
        await asyncio.sleep(random.choice((0, 0.001, 0.002, 0.005)))
    await holder.close()
    flusher.stop()
    poller.stop()


def post() -> None:
    say("ready")
    while True:
        try:
            for holder in ledger.waiting():
                ledger.post(holder)
        except Error:
            database.give_back()


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1] == "serve" else post()
