"""The whole table of figures in one run: `python -m bench [--quick] [--only NAME] [--no-peers]`."""

import argparse
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import psycopg
import redis

from bench import departures, figures, load, memory, neighbours, peers, report, tollgate, upstream
from bench.figures import DIRECT, LITELLM, PORTKEY, TOLLGATE, Row
from bench.load import Contender, Outcome
from bench.processes import LOAD_CORE, Program, alone, can_pin, free_port
from bench.scratch import CHECKOUT, SCRATCH
from bench.tollgate import Tollgate

ROWS = ("plain", "stream", "latency", "budgets", "memory", "records", "start", "departures")
ABSENT = {"genai_prices": "genai_prices/data_snapshot.py", "celery.worker": "celery/worker/worker.py"}
PRESENT = {"django": "django/urls/resolvers.py"}
POSTING_SECONDS = 300
QUIET_SHARE = 0.1
# four that bind every call and are far from used up
BUDGETS = [
    {"amount": 1_000_000, "unit": "usd", "period": "month", "timezone": "Europe/Berlin"},
    {"amount": 1_000_000, "unit": "usd", "period": "total", "model": f"{upstream.MODEL}*"},
    {"amount": 10**13, "unit": "tokens", "period": "day"},
    {"amount": 10**10, "unit": "requests", "period": "week"},
]


class Effort(NamedTuple):
    rounds: int
    seconds: float
    memory_requests: int
    cpu_requests: int


class Measured(NamedTuple):
    """``notes`` say what went wrong on the way; ``others`` is the share of the machine that other work had."""

    rows: list[Row]
    versions: dict[str, str]
    notes: list[str]
    others: float


FULL = Effort(rounds=3, seconds=5, memory_requests=100_000, cpu_requests=10_000)
QUICK = Effort(rounds=1, seconds=3, memory_requests=10_000, cpu_requests=5_000)


class Run:
    """One pass through the rows wanted: the contenders, what Tollgate answered, what went wrong."""

    def __init__(self, effort: Effort, gateway: Tollgate, contenders: Sequence[Contender]) -> None:
        self.effort = effort
        self.gateway = gateway
        self.contenders = contenders
        self.answered = 0
        self.errors: Counter[str] = Counter()

    def warm_up(self) -> None:
        for contender in self.contenders:
            self._load(contender, 4, seconds=1)

    def plain(self) -> list[Row]:
        samples = defaultdict(list)
        for contender in self._rounds():
            samples[contender.name].append(self._load(contender, 32).requests_per_second)
        return [figures.speed("plain chat, requests/s, 32 connections", samples, {LITELLM: 20, PORTKEY: 2})]

    def stream(self) -> list[Row]:
        samples = defaultdict(list)
        for contender in self._rounds():
            samples[contender.name].append(self._load(contender, 16, stream=True).events_per_second)
        title = "streamed chunks/s, 200-chunk answers, 16 connections"
        return [figures.speed(title, samples, {LITELLM: 50})]

    def latency(self) -> list[Row]:
        samples = defaultdict(list)
        for contender in self._rounds():
            samples[contender.name].append(self._load(contender, 1).p50_ms)
        return [figures.added_latency(samples)]

    def budgets(self) -> list[Row]:
        """Compare the web process's CPU seconds for the same calls with budgets and without, in turns."""
        samples: dict[str, list[float]] = {"none": [], "four": []}
        for name in ("none", "four") * (2 * self.effort.rounds):
            self.gateway.apply({"budgets": BUDGETS if name == "four" else []})
            self._load(self._tollgate(), 8, seconds=0, requests=200)
            before = memory.processor_seconds(self.gateway.web.tree())
            outcome = self._load(self._tollgate(), 8, seconds=0, requests=self.effort.cpu_requests)
            spent = memory.processor_seconds(self.gateway.web.tree()) - before
            samples[name].append(spent / outcome.answered * 1e6)
        self.gateway.apply({"budgets": []})
        return [figures.budgets(samples["none"], samples["four"], len(BUDGETS))]

    def memory(self) -> list[Row]:
        half = self.effort.memory_requests // 2
        start = memory.resident(self.gateway.web.tree())
        self._load(self._tollgate(), 32, seconds=0, requests=half)
        middle = memory.resident(self.gateway.web.tree())
        self._load(self._tollgate(), 32, seconds=0, requests=half)
        end = memory.resident(self.gateway.web.tree())
        found = memory.loaded(self.gateway.web.tree(), ABSENT | PRESENT)
        return [
            figures.memory(start.web, middle.web, end.web, end.tree, 2 * half),
            figures.not_loaded(list(ABSENT), found & set(ABSENT), set(PRESENT) <= found),
        ]

    def records(self) -> list[Row]:
        recorded = tollgate.records(POSTING_SECONDS, self.answered)
        verdict = self.gateway.command("verify_ledger")
        if verdict.returncode:
            self.errors[f"verify_ledger: {(verdict.stdout + verdict.stderr).strip()[-300:]}"] += 1
        return [figures.exact_records(recorded, self.answered, verdict.returncode == 0)]

    def _rounds(self) -> list[Contender]:
        return [*self.contenders] * self.effort.rounds

    def _tollgate(self) -> Contender:
        return next(contender for contender in self.contenders if contender.name == TOLLGATE)

    def _load(self, contender: Contender, connections: int, **bounds: float) -> Outcome:
        outcome = load.against(contender, connections, **({"seconds": self.effort.seconds} | bounds))
        self.errors.update({f"{contender.name}: {what}": count for what, count in outcome.errors.items()})
        if contender.name == TOLLGATE:
            self.answered += outcome.answered
        return outcome


def main() -> int:
    options = _options()
    wanted = [name for name in ROWS if not options.only or name in options.only]
    if not can_pin():
        print("this machine has no second core or no taskset: nothing is pinned, and the figures say less", flush=True)
    measured = _measure(wanted, QUICK if options.quick else FULL, options.peers)
    print(report.table(measured.rows), *[f"{name} {number}" for name, number in measured.versions.items()], sep="\n")
    print(*measured.notes, f"others used {measured.others:.0%} of the machine meanwhile", sep="\n")
    if options.only or options.quick or not options.peers:
        return _exit_code(measured)
    if measured.others > QUIET_SHARE:
        print("docs/benchmarks.md stays as it is: the machine was too busy with other work")
    else:
        (CHECKOUT / "docs/benchmarks.md").write_text(report.document(*measured, command="make bench"))
    return _exit_code(measured)


def _exit_code(measured: Measured) -> int:
    return int(any(row.met is False for row in measured.rows))


def _measure(wanted: list[str], effort: Effort, with_peers: bool) -> Measured:
    rows: list[Row] = []
    with alone(), ExitStack() as stack, tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        if "start" in wanted:
            rows += start_rows(Path(folder) / "embedded")
        if "departures" in wanted:
            print("measuring departures …", flush=True)
            rows += departures.rows(Path(folder) / "departures")
        run = _set_up(stack, Path(folder) / "production", effort, with_peers)
        run.warm_up()
        watch = neighbours.Watch()
        for name in [name for name in wanted if name not in ("start", "departures")]:
            print(f"measuring {name} …", flush=True)
            rows += getattr(run, name)()
        notes = [f"{count} x {what}" for what, count in sorted(run.errors.items())]
        return Measured(rows, _versions(run.contenders), notes, watch.share())


def start_rows(folder: Path) -> list[Row]:
    print("measuring start …", flush=True)
    with tollgate.embedded(folder) as gateway:
        fresh, key = tollgate.first_answer(gateway), gateway.key
    with tollgate.embedded(folder, key) as gateway:
        again = tollgate.first_answer(gateway)
    return [figures.start(fresh, again)]


def _set_up(stack: ExitStack, folder: Path, effort: Effort, with_peers: bool) -> Run:
    port = free_port()
    stub = Program(
        [sys.executable, "-m", "bench.upstream", str(port)],
        SCRATCH / "logs/upstream.log",
        core=LOAD_CORE,
        folder=CHECKOUT,
    )
    stack.enter_context(stub).wait_for_port(port, 10)
    url = f"http://127.0.0.1:{port}/v1"
    gateway = stack.enter_context(tollgate.production(folder))
    gateway.apply(tollgate.route_to("stub", url, [upstream.MODEL]))
    contenders = [Contender(DIRECT, "", url), Contender(TOLLGATE, version("tollgate"), gateway.url, gateway.key)]
    contenders += stack.enter_context(peers.running(url)) if with_peers else []
    if can_pin():
        os.sched_setaffinity(0, {LOAD_CORE})
    return Run(effort, gateway, contenders)


def _versions(contenders: Sequence[Contender]) -> dict[str, str]:
    with psycopg.connect(tollgate.DATABASE_URL) as connection:
        postgres = str(connection.info.server_version // 10000)
    redis_version = redis.Redis.from_url(tollgate.REDIS_URL).info("server")["redis_version"]
    named = {contender.name: contender.version for contender in contenders if contender.version}
    packages = {name: version(name) for name in ("django", "granian", "celery", "psycopg")}
    return named | packages | {"PostgreSQL": postgres, "Redis": redis_version}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; prints, and writes no document")
    parser.add_argument("--only", action="append", choices=ROWS, help="this row alone; may be given several times")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="without LiteLLM and Portkey")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
