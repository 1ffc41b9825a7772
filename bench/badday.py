"""A provider's bad day: two upstreams, one of which fails 30 % of its calls: ``python -m bench.badday``.

What callers see of 1,000 calls over 32 connections, half of them streamed, and what the ledger says of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx

from bench import tollgate
from bench.processes import Program, free_port
from bench.scratch import CHECKOUT, SCRATCH

SHARE = 0.3
# what of the calls that were not cut in the middle of their answer has to be answered
AIM = 0.999


class Seen(NamedTuple):
    """``end`` is "answered", "cut" (an error event after some chunks), "silent" (cut without one) or an HTTP status."""

    request_id: str
    end: str
    seconds: float


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        bad, good = (stack.enter_context(_upstream(share, options.seed)) for share in (SHARE, 0.0))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollgate-badday-")))
        gateway = stack.enter_context(tollgate.production(folder))
        gateway.apply(_configuration(bad, good, options.cools))
        seen = asyncio.run(_drive(gateway, options.requests, options.connections))
        records = _records(gateway, {one.request_id for one in seen})
        clean = gateway.command("verify_ledger").returncode == 0
    return _report(seen, records, clean)


def _configuration(bad: str, good: str, cools: bool) -> dict[str, Any]:
    """Without cooling the bad upstream goes on being asked for half of all calls, the last one like the first."""
    options = {"allow_private": True, **({} if cools else {"cooldown": {"enabled": False}})}
    rows = [
        {"name": name, "adapter": "openai", "base_url": url, "secret": "sk-x", "options": options}
        for name, url in (("bad", bad), ("good", good))
    ]
    targets = [{"provider": row["name"], "upstream_model": "m"} for row in rows]
    prices = [
        {"provider": row["name"], "upstream_model": "m", "from": "2026-01-01", "input": 1, "output": 2} for row in rows
    ]
    route = {"model": "m", "strategy": "weighted", "retries": 2, "targets": targets}
    return {"providers": rows, "routes": [route], "prices": prices}


async def _drive(gateway: tollgate.Tollgate, requests: int, connections: int) -> list[Seen]:
    limits = httpx.Limits(max_connections=connections)
    waiting = iter(range(requests))
    seen: list[Seen] = []
    async with httpx.AsyncClient(
        base_url=gateway.url, headers={"authorization": f"Bearer {gateway.key}"}, timeout=60, limits=limits
    ) as client:

        async def caller() -> None:
            for number in waiting:
                seen.append(await _call(client, streams=number % 2 == 0))

        await asyncio.gather(*(caller() for _ in range(connections)))
    return seen


async def _call(client: httpx.AsyncClient, streams: bool) -> Seen:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": streams}
    began = time.perf_counter()
    async with client.stream("POST", "/chat/completions", json=body) as response:
        text = (await response.aread()).decode()
    return Seen(
        response.headers["x-request-id"], _end(response.status_code, text, streams), time.perf_counter() - began
    )


def _end(status: int, text: str, streams: bool) -> str:
    if status != 200:
        return str(status)
    if not streams:
        return "answered" if json.loads(text)["choices"][0]["finish_reason"] == "stop" else "silent"
    if text.endswith("data: [DONE]\n\n"):
        return "answered"
    return "cut" if '"error"' in text.rstrip().rsplit("\n", 1)[-1] else "silent"


def _records(gateway: tollgate.Tollgate, wanted: set[str]) -> list[dict[str, Any]]:
    """Return the usage records of these requests, once all are there."""
    until = time.monotonic() + 60
    while True:
        done = gateway.command("export", "records", "--from", f"{datetime.now(UTC):%Y-%m-%d}", "--format", "jsonl")
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found = [row for row in rows if row["request_id"] in wanted]
        if len({row["request_id"] for row in found}) == len(wanted) or time.monotonic() > until:
            return found
        time.sleep(1)


def _report(seen: list[Seen], records: list[dict[str, Any]], clean: bool) -> int:
    ends = Counter(one.end for one in seen)
    whole = len(seen) - ends["cut"]
    answered = ends["answered"] / whole
    counts = Counter(row["request_id"] for row in records)
    status = {row["request_id"]: row["status"] for row in records}
    wrong = [
        one
        for one in seen
        if counts[one.request_id] != 1
        or status[one.request_id] != ("completed" if one.end == "answered" else "upstream_error")
    ]
    spans = sorted(one.seconds * 1000 for one in seen)
    attempts = Counter(str(row.get("attempts")) for row in records)
    print(f"{len(seen)} calls: {ends['answered']} answered, {ends['cut']} cut after their first chunk, each with an "
          f"error event, {whole - ends['answered']} otherwise {dict(ends)}")  # fmt: skip
    print(f"of those not cut {answered:.2%} answered (aim {AIM:.1%})")
    print(
        f"p50 {statistics.median(spans):.0f} ms, p99 {spans[int(len(spans) * 0.99)]:.0f} ms, longest {spans[-1]:.0f} ms"
    )
    print(
        f"{len(records)} records, {len(wrong)} calls without exactly one of the right status; attempts {dict(attempts)}"
    )
    print(f"verify_ledger {'clean' if clean else 'NOT clean'}")
    return int(answered < AIM or bool(wrong) or ends["silent"] > 0 or not clean)


@contextmanager
def _upstream(share: float, seed: int) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "bench.badupstream", str(port), str(share), str(seed)]
    with Program(command, SCRATCH / f"logs/badupstream-{port}.log", folder=CHECKOUT) as program:
        program.wait_for_port(port, 30)
        yield f"http://127.0.0.1:{port}/v1"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.badday", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cools", action="store_true", help="leave a failing target alone for a while, as by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
