"""The figures of the long kill run as a table in docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.report import machine
from tests.chaos.trial import Outcome

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- make chaos writes from here -->", "<!-- to here -->"
KINDS = {"web": "web", "worker": "worker", "beat": "beat", "postgresql": "PostgreSQL", "redis": "Redis"}


def write(outcomes: Sequence[Outcome]) -> None:
    """Replace what the page says of the last run."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text("\n".join([f"{before}{BEGIN}", "", *_lines(outcomes), "", f"{END}{after}"]))


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    columns = [_column(outcome) for outcome in outcomes]
    names = list(columns[0])
    return [
        *(_row([name, *(column[name] for column in columns)]) for name in names[:1]),
        _row(["---"] * (len(columns) + 1)),
        *(_row([name, *(column[name] for column in columns)]) for name in names[1:]),
        "",
        *(f"- {line}" for line in machine()),
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _column(outcome: Outcome) -> dict[str, str]:
    killed = Counter(_kind(kill.name) for kill in outcome.kills)
    seen = Counter(outcome.endings)
    records = outcome.records
    return {
        "seed": str(outcome.plan.seed),
        "disks of the web processes": "shared" if outcome.plan.machines == 1 else "one each",
        "requests": f"{outcome.plan.requests:,}",
        "answered in full": f"{seen['answered']:,}",
        "failed upstream, told so": f"{seen['failed']:,}",
        "left by the caller": f"{seen['left']:,}",
        "refused (budget used up or held, or not able to serve)": f"{seen['refused']:,}",
        "connection lost, cut in the middle": f"{seen['lost'] + seen['cut']:,}",
        "kills": str(len(outcome.kills)),
        **{f"… of {name}": str(killed[kind]) for kind, name in KINDS.items()},
        "records": f"{sum(records.values()):,}",
        "… of them interrupted": str(records["interrupted"]),
        "budgets used": "; ".join(outcome.used),
        "seconds until a dead process's money was back: median, longest": outcome.recovery,
        "records missing, doubled or wrong; budgets passed; differences of `verify_ledger`": str(len(outcome.faults)),
    }


def _kind(name: str) -> str:
    return name.rstrip("0123456789")
