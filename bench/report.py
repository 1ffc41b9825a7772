"""How the figures are shown: one Markdown document, from rows and a description of the machine."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.figures import COLUMNS, Row

MET = {True: "yes", False: "**no**", None: "–"}

METHOD = """\
The web process of each gateway runs on one core; the stub upstream, the load and Tollgate's Celery worker and beat
share the other. PostgreSQL runs where the system puts it. Tollgate has keys, ledger, PostgreSQL and Redis on; the peers
have everything off: one worker, no database, no logging. Rounds go through the contenders in turn, and each figure is
the median of its rounds. Every answer is read to its end and counted; a stream counts only with its `[DONE]`, and
chunks are counted as they arrive. "Direct" is the same load without a gateway: what the harness itself could carry.
"""


def document(
    rows: Sequence[Row], versions: dict[str, str], notes: Sequence[str], others: float, *, command: str
) -> str:
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"Written by `{command}`.",
            "",
            table(rows),
            "",
            "## Versions",
            "",
            *[f"- {name} {version}" for name, version in versions.items()],
            "",
            "## Machine",
            "",
            *[f"- {line}" for line in machine()],
            f"- other work on the machine meanwhile: {others:.0%} of it",
            "",
            "## How",
            "",
            METHOD,
            *(["## Noticed", "", *[f"- {note}" for note in notes], ""] if notes else []),
        ]
    )


def table(rows: Sequence[Row]) -> str:
    head = ["", *COLUMNS, "ratios", "aim", "met"]
    lines = [head, ["---"] * len(head)]
    lines += [
        [row.measure, *(row.cells.get(name, "") for name in COLUMNS), row.ratios, row.aim, MET[row.met]] for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> list[str]:
    memory = psutil.virtual_memory().total / 1e9
    return [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
