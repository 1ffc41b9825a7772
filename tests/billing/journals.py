"""What the tests of journals and ledger share: requests, and holders that write them down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from billing import clock, ids, lines, recovery, store
from billing.holder import Holder
from billing.lines import Open, Settled
from billing.pricing import PriceRow, Usage

PRICES = (PriceRow(1, "input", 0, "", "one", 2), PriceRow(2, "output", 0, "", "one", 5))


def request(**fields: Any) -> Open:
    id = fields.pop("id", None) or ids.new(clock.now_us())
    known = {
        "request_id": f"req_{id}", "operation": "chat.completions", "model": "demo", "provider": "fake",
        "upstream_model": "demo-1", "user": 1, "api_key": 2, "price_rows": PRICES, "prompt_tokens": 10,
    }  # fmt: skip
    return Open(id=id, **{**known, **fields})


def settled(opened: Open, cost: int | None = 100, **outcome: Any) -> Settled:
    known = {"status": "completed", "finished_at": clock.now_us()}
    return lines.settled(opened, Usage(input=10, output=20), cost=cost, **{**known, **outcome})


def seven() -> int:
    """The progress of a request that has delivered seven tokens."""
    return 7


def opened_at(root: Path) -> Holder:
    return Holder.open(root, "here")


def stored(holder: str, *files: bytes) -> None:
    """Put files into the database as if a flusher had."""
    store.register(holder, "here", clock.now())
    for seq, payload in enumerate(files, store.highest(holder) + 1):
        store.insert(holder, seq, payload)


def file_of(holder: str, seq: int, *said: lines.Line) -> bytes:
    return lines.head(holder, seq) + b"".join(map(lines.encode, said))


def recover_all(root: Path) -> None:
    for folder in recovery.neighbours(root):
        recovery.recover(folder, "here")
