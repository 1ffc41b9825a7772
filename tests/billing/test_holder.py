"""What a process writes down while it lives, and what can be read from it after its death."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from billing import clock, disk, ids, interrupted
from billing import holder as holders
from billing import journal as journals
from billing.disk import NetworkFileSystem
from billing.holder import Fenced, Holder
from billing.journal import JournalUnavailable, segments
from billing.lending import Loan
from billing.lines import Begin, End, Mark, Open, Settled, read
from billing.purses import Purse, Reservation
from tests.billing.bank import terms
from tests.billing.journals import request, settled, seven

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /mnt/shared rw - nfs4 server:/export rw
41 40 254:1 / /mnt/shared/local\\040disk rw - xfs /dev/vdb rw
"""


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    return Holder.open(tmp_path / "journal", "here")


def said(holder: Holder) -> list[list[object]]:
    """Return the lines of each file."""
    return [[each.line for each in read(path.read_bytes()).lines] for path in segments(holder.journal.folder).values()]


def left_open(holder: Holder) -> list[tuple[str, int]]:
    newest_first = [path.read_bytes() for path in reversed(segments(holder.journal.folder).values())]
    return [(each.opened.id, each.output) for each in interrupted.left_open(newest_first)]


def test_a_request_is_settled_once(holder: Holder):
    opened = request()
    holder.dispatch(opened, seven)
    assert holder.settle(settled(opened)) is True
    assert holder.settle(settled(opened, 999)) is False
    assert [type(line) for line in said(holder)[0]] == [Begin, Open, Settled]
    assert holder.in_flight == 0


def test_what_was_never_dispatched_is_not_recorded(holder: Holder):
    assert holder.settle(settled(request())) is False
    assert [type(line) for line in said(holder)[0]] == [Begin]


def test_each_file_carries_what_is_still_open_with_its_mark(holder: Holder):
    first, second = request(), request()
    holder.dispatch(first, seven)
    holder.dispatch(second, int)
    holder.seal()
    holder.settle(settled(first))
    holder.seal()
    *_, middle, newest = said(holder)
    assert [type(line) for line in middle] == [Begin, Open, Mark, Open, Settled]
    assert middle[0] == Begin(holder=holder.id, seq=2, carried=2)
    assert newest == [Begin(holder=holder.id, seq=3, carried=1), second]
    assert left_open(holder) == [(second.id, 0)]


def test_a_later_attempt_replaces_the_first(holder: Holder):
    opened = request()
    holder.dispatch(opened, int)
    again = request(id=opened.id, attempt=2, provider="other")
    holder.dispatch(again, int)
    holder.seal()
    assert said(holder)[-1][1:] == [again]


def test_nothing_new_makes_no_new_file(holder: Holder):
    holder.seal()
    holder.seal()
    assert len(said(holder)) == 1


def test_five_hundred_lines_make_a_file(holder: Holder):
    for _ in range(holders.SEAL_LINES):
        opened = request()
        holder.dispatch(opened, int)
        holder.settle(settled(opened))
    assert len(said(holder)) == 3
    assert holder.journal.sealed_seq == 2


@pytest.mark.parametrize("cut", [0, 20, 300, 700])
def test_death_while_a_file_is_begun_loses_no_open_request(holder: Holder, cut: int):
    opened, delivered = [request(), request()], Counter(tokens=7)
    for each in opened:
        holder.dispatch(each, lambda: delivered["tokens"])
    holder.seal()
    delivered["tokens"] = 8
    holder.seal()
    newest = list(segments(holder.journal.folder).values())[-1]
    os.truncate(newest, cut)
    assert [id for id, _ in left_open(holder)] == [each.id for each in opened]
    assert {output for _, output in left_open(holder)} <= {7, 8}


def fail_writes(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> None:
    """Let the disk be full after so many more bytes."""
    real, room = os.write, [after]

    def write(file: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: room[0]]
        room[0] -= len(part)
        return real(file, part)

    monkeypatch.setattr(journals.os, "write", write)


def test_a_full_disk_refuses_new_requests_and_keeps_settled_ones(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    opened = request()
    holder.dispatch(opened, int)
    with monkeypatch.context() as full:
        fail_writes(full, after=50)
        with pytest.raises(JournalUnavailable):
            holder.dispatch(request(), int)
        assert holder.settle(settled(opened)) is True
        assert holder.settle(settled(opened)) is False
        assert not holder.journal.ballast.exists()
        assert holder.trouble
    asyncio.run(holder.close())
    (lines,) = said(holder)
    assert [type(line) for line in lines] == [Begin, Open, Settled, End]


def test_a_line_cut_short_is_taken_out_again(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as full:
        fail_writes(full, after=100)
        with pytest.raises(JournalUnavailable):
            holder.dispatch(request(), int)
        full.setattr(journals.os, "ftruncate", _fails)
        with pytest.raises(JournalUnavailable):
            holder.dispatch(request(), int)
    opened = request()
    holder.dispatch(opened, int)
    reading = read(next(iter(segments(holder.journal.folder).values())).read_bytes())
    assert [each.line for each in reading.lines][1:] == [opened]
    assert reading.unreadable == []


def _fails(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_request_that_is_never_settled_is_found(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        monkeypatch.setattr(holders, "SEAL_SECONDS", 0.01)
        opened = request()
        holder.dispatch(opened, seven, timeout=-holders.GRACE - 1)
        holder.run_sealer()
        await asyncio.sleep(0.1)
        assert holder.in_flight == 0
        await holder.close()

    asyncio.run(run())
    records = [line for lines in said(holder) for line in lines if isinstance(line, Settled)]
    assert [(record.status, record.estimated, record.cost) for record in records] == [("timeout", True, 2 * 10 + 5 * 7)]


def test_closing_interrupts_the_rest_and_ends(holder: Holder):
    holder.dispatch(request(), seven)
    asyncio.run(holder.close())
    (lines,) = said(holder)
    assert [getattr(line, "status", "") for line in lines] == ["", "", "interrupted", ""]
    assert lines[-1] == End()
    assert holder.journal.sealed_seq == 1
    with pytest.raises(JournalUnavailable):
        holder.dispatch(request(), int)


def test_a_holder_closed_by_the_database_goes_on_as_a_new_one(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    async def run() -> tuple[str, str]:
        monkeypatch.setattr(holders, "SEAL_SECONDS", 0.01)
        old, opened = holder.id, request()
        holder.dispatch(opened, int)
        holder.run_sealer()
        holder.heard(holder.id)
        await asyncio.sleep(0.05)
        first, second = holder.journals
        assert holder.id == second.holder != old
        holder.dispatch(request(), int)
        holder.settle(settled(opened))
        await asyncio.sleep(0.05)
        assert first.has_ended
        assert not second.has_ended
        await holder.close()
        return first.holder, old

    first, old = asyncio.run(run())
    assert first == old


def test_an_answer_about_a_former_holder_closes_no_later_one(holder: Holder):
    async def run() -> None:
        holder.run_sealer()
        former = holder.id
        for _ in range(2):
            holder.heard(former)
        await asyncio.sleep(0.01)
        assert len(holder.journals) == 2
        await holder.close()

    asyncio.run(run())


def purse_of(holder: Holder, granted: int) -> Purse:
    """Return what the holder has in hand of a budget of which so much was lent to it."""
    purse = holder.allowances.purse(terms(1, 1000), clock.now_us())
    purse.learn(Loan(1, purse.start, 7, granted, headroom=1000))
    return purse


def reserved(holder: Holder, needs: dict[Purse, int], reservation: Reservation | None = None) -> Reservation:
    reservation = reservation or Reservation()
    asyncio.run(holder.allowances.reserve(reservation, needs))
    return reservation


def test_a_cheaper_attempt_frees_the_difference_once_it_is_dispatched(holder: Holder):
    purse, opened = purse_of(holder, 100), request(hold={7: 80})
    reservation = reserved(holder, {purse: 80})
    holder.dispatch(opened, int, reservation=reservation)
    reserved(holder, {purse: 30}, reservation)
    assert (purse.free, purse.reserved) == (20, 80)
    holder.dispatch(request(id=opened.id, attempt=2, hold={7: 30}), int, reservation=reservation)
    assert (purse.free, purse.reserved) == (70, 30)
    holder.settle(settled(request(id=opened.id, hold={7: 30}), 10))
    assert (purse.free, purse.reserved) == (90, 0)


def test_an_attempt_that_could_not_be_written_down_leaves_what_the_last_one_holds(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
):
    purse, opened = purse_of(holder, 100), request(hold={7: 80})
    reservation = reserved(holder, {purse: 80})
    holder.dispatch(opened, int, reservation=reservation)
    reserved(holder, {purse: 30}, reservation)
    with monkeypatch.context() as full:
        fail_writes(full)
        with pytest.raises(JournalUnavailable):
            holder.dispatch(request(id=opened.id, attempt=2, hold={7: 30}), int, reservation=reservation)
    holder.settle(settled(opened, 80))
    assert (purse.free, purse.reserved) == (20, 0)


def test_what_an_old_journal_is_charged_is_not_taken_from_the_new_holders_money(holder: Holder):
    """Posting gives for it what the closed holder has, which is nothing."""
    old, opened = purse_of(holder, 100), request(hold={7: 80})
    reservation = reserved(holder, {old: 80})
    holder.dispatch(opened, int, reservation=reservation)
    holder.renew(holder.id)
    new = purse_of(holder, 100)
    assert new is not old
    reserved(holder, {new: 60}, reservation)
    again = request(id=opened.id, attempt=2, hold={7: 60})
    holder.dispatch(again, int, reservation=reservation)
    holder.settle(settled(again, 60))
    assert (new.free, new.reserved) == (100, 0)


def test_ten_minutes_without_the_database_reserve_nothing_more(holder: Holder, monkeypatch: pytest.MonkeyPatch):
    later = clock.elapsed() + holders.FENCE + 1
    monkeypatch.setattr(clock, "elapsed", lambda: later)
    holder.dispatch(request(), int)
    with pytest.raises(Fenced):
        holder.dispatch(request(hold={1: 5}), int)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/lib", "ext4"), ("/mnt/shared/x", "nfs4"), ("/mnt/shared/local disk/x", "xfs"), ("/mnt/sharedx", "ext4")],
)
def test_knows_the_file_system_of_a_folder(folder: str, kind: str):
    assert disk.kind_of(Path(folder), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(disk, "NETWORK", {disk.kind_of(tmp_path.resolve(), Path("/proc/self/mountinfo").read_text())})
    with pytest.raises(NetworkFileSystem):
        Holder.open(tmp_path / "journal", "here")


def test_a_machine_keeps_its_name(tmp_path: Path):
    first, second = Holder.open(tmp_path, "here"), Holder.open(tmp_path, "here")
    assert first.machine == second.machine
    assert first.machine.startswith("here/")
    assert first.id != second.id
    assert ids.moment(first.id) <= ids.moment(second.id)
