"""docs/conformance.md: its figures, each between two marks that name them."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from bench.clients import Check, Verdict
from bench.scratch import CHECKOUT

DOCUMENT = CHECKOUT / "docs/conformance.md"


def section(lines: Iterable[str]) -> str:
    return "\n".join([*lines, "", f"On {datetime.now(UTC):%Y-%m-%d}."])


def write(name: str, text: str) -> None:
    """Put ``text`` between the marks of ``name``."""
    begins, ends = f"<!-- {name} -->", f"<!-- end of {name} -->"
    found = DOCUMENT.read_text()
    marked = re.sub(f"{begins}.*?{ends}", lambda _: f"{begins}\n{text}\n{ends}", found, flags=re.DOTALL)
    DOCUMENT.write_text(marked)


def table(suites: dict[str, list[Check]]) -> list[str]:
    """Return how many checks of each suite came to what, as lines of Markdown."""
    counted = {name: Counter(check.verdict for check in checks) for name, checks in suites.items()}
    verdicts = [verdict for verdict in Verdict if any(found[verdict] for found in counted.values())]
    rows = [[name, *(str(found[verdict]) for verdict in verdicts)] for name, found in counted.items()]
    head = ["suite", *map(str, verdicts)]
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]
