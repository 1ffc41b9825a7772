"""One trial: a site is started, asked and killed; then everything is started once more and judged."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import psycopg

from billing.fields import to_usd
from tests.chaos import judge
from tests.chaos.judge import Judge, Period
from tests.chaos.killer import Kill, Killer, schedule
from tests.chaos.site import Amounts, Site
from tests.chaos.traffic import Traffic
from tests.chaos.upstream import Upstream

SAMPLE_SECONDS = 0.25
SETTLED_SECONDS = 90


class Plan(NamedTuple):
    """``machines``: 1 where the web processes share a disk, 2 where none does. ``pause``: between two of a caller."""

    seed: int
    requests: int
    kills: int
    callers: int
    pause: float
    machines: int


@dataclass
class Outcome:
    """What is reported of a run; ``faults`` must be empty."""

    plan: Plan
    endings: dict[str, int] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    used: list[str] = field(default_factory=list)
    ended_by_themselves: list[str] = field(default_factory=list)
    seconds: float = 0.0
    recoveries: list[float] = field(default_factory=list)
    longest_start: float = 0.0
    faults: list[str] = field(default_factory=list)
    tails: str = ""

    @property
    def recovery(self) -> str:
        """How long it took until what a killed process held was back: half of the times, and always."""
        return f"{median(self.recoveries or [0]):.1f}, at most {max(self.recoveries, default=0):.1f}"

    @property
    def summary(self) -> str:
        kills = Counter(f"{kill.name} ({kill.manner})" for kill in self.kills)
        return "\n".join(
            [
                f"seed {self.plan.seed}, {self.plan.requests} requests on {self.plan.machines} machine(s)"
                f" in {self.seconds:.0f} s:",
                "  callers saw: " + _counted(self.endings),
                f"  records: {sum(self.records.values())}: " + _counted(self.records),
                f"  kills: {len(self.kills)}: " + _counted(kills),
                "  budgets: " + "; ".join(self.used),
                f"  a dead process's money was back after {self.recovery} s;"
                f" the slowest start took {self.longest_start:.1f} s",
                f"  ended by themselves and were started again: {len(self.ended_by_themselves)}",
                f"  faults: {len(self.faults)}",
                *(f"    {fault}" for fault in self.faults[:20]),
            ]
        )


def amounts(requests: int) -> Amounts:
    """Return budgets that run out in the course of a run: the caller's at a half of it, the gateway's near its end."""
    return Amounts(usd=f"{requests * 0.00011:.6f}", tokens=requests * 3, requests=requests // 8)


async def run(plan: Plan) -> Outcome:
    """Raises what keeps a site from being started at all."""
    upstream = await Upstream().start()
    site = await asyncio.to_thread(Site, plan.machines)
    try:
        keys = await asyncio.to_thread(site.prepare, upstream.url, amounts(plan.requests))
        await asyncio.to_thread(site.start)
        return await _Trial(plan, site, upstream, keys).outcome()
    finally:
        await asyncio.to_thread(site.destroy)
        await upstream.stop()


class _Trial:
    def __init__(self, plan: Plan, site: Site, upstream: Upstream, keys: list[str]) -> None:
        chance = random.Random(plan.seed)
        self.plan = plan
        self.site = site
        self.upstream = upstream
        self.traffic = Traffic(site.addresses, keys, plan.requests, plan.callers, plan.pause, plan.seed)
        self.killer = Killer(site, chance)
        self.dues = schedule(len(site.units), plan.kills, plan.requests, chance)
        self.most: Counter[int] = Counter()
        self.made = Outcome(plan)

    async def outcome(self) -> Outcome:
        began_at = time.monotonic()
        await self._suffer()
        self.made.seconds = time.monotonic() - began_at
        self.made.faults += await self._settled()
        self.made.faults += await self._verified("with everything running")
        self.made.faults += await asyncio.to_thread(self.site.stop_webs)
        self.made.faults += await self._settled()  # what they returned at their end is posted by the workers
        await asyncio.to_thread(self.site.stop_workers)
        self.made.faults += await self._verified("with everything ended")
        self._judge()
        if self.made.faults:
            self.made.tails = "\n\n".join(f"{unit.name}:\n{unit.program.tail()}" for unit in self.site.units)
        return self.made

    async def _suffer(self) -> None:
        """Let the traffic flow and kill; return when all is answered and everything runs again."""
        watching = asyncio.create_task(self._watch())
        supervising = asyncio.create_task(self.killer.supervise())
        killing = asyncio.create_task(self.killer.work_off(self.dues, lambda: self.traffic.done))
        await self.traffic.flow()
        await killing
        self.killer.finish()
        await supervising
        watching.cancel()

    async def _watch(self) -> None:
        """See that no budget is passed at any time, as long as the database answers."""
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            with contextlib.suppress(psycopg.OperationalError):
                for period in await asyncio.to_thread(judge.periods, self.site):
                    self.most[period.id] = max(self.most[period.id], period.posted + period.lent)

    async def _settled(self) -> list[str]:
        """Wait until dead journals are taken over and everything is posted; say what is not."""
        until = time.monotonic() + SETTLED_SECONDS
        while waits := await asyncio.to_thread(self._what_waits):
            if time.monotonic() > until:
                return waits
            await asyncio.sleep(0.2)
        return []

    def _what_waits(self) -> list[str]:
        still_open = {str(row[0]) for row in self.site.sql("SELECT id FROM billing_holder WHERE closed_at IS NULL")}
        living = {holder for web in self.site.webs for holder in self.site.holders(web)}
        ((unposted,),) = self.site.sql("SELECT count(*) FROM billing_segment WHERE posted_at IS NULL")
        known = {int(number) for (number,) in self.site.sql("SELECT end_user FROM billing_usagerecord")}
        waits = [f"{len(names)} {what}" for what, names in (
            ("dead journals are not taken over", still_open - living),
            ("requests have no record", self.upstream.calls.keys() - known),
        ) if names]  # fmt: skip
        return [*waits, *([f"{unposted} segments are not posted"] if unposted else [])]

    async def _verified(self, when: str) -> list[str]:
        done = await asyncio.to_thread(self.site.command, "manage.py", "verify_ledger")
        return [] if done.returncode == 0 else [f"verify_ledger {when}: {done.stdout} {done.stderr[-2000:]}"]

    def _judge(self) -> None:
        made, site = self.made, self.site
        found = judge.records(site)
        made.kills, made.endings = self.killer.kills, judge.endings(self.traffic.notes)
        made.ended_by_themselves = self.killer.ended_by_themselves
        made.records = Counter(record.status for record in found)
        made.faults += Judge(self.traffic.notes, made.kills, self.upstream.calls, found).faults()
        periods = judge.periods(site)
        made.faults += judge.budget_faults(periods, self.most, judge.overshot(site))
        made.used = [
            f"{period.posted / period.amount:.1%} of {_amount(period)}"
            for period in periods
            if period.mode == "enforce"
        ]
        made.longest_start = max((seconds for _, seconds in self.killer.restarts), default=0)
        made.recoveries = self._recoveries()

    def _recoveries(self) -> list[float]:
        closed = dict(self.site.sql("SELECT id::text, extract(epoch FROM closed_at)::float FROM billing_holder"))
        return [
            closed[holder] - kill.done_at
            for kill in self.killer.kills
            for holder in kill.holders
            if closed.get(holder) is not None
        ]


def _amount(period: Period) -> str:
    return f"${to_usd(period.amount):.2f}" if period.unit == "usd" else f"{period.amount:,} {period.unit}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in sorted(counts))
