"""Processes, their journals and the database as values: the protocol of docs/money.md, one step at a time.

Line formats, sealing, what is left open, closing and the arithmetic of lending and posting are the real ones; what is
modelled is who does what when, and what is lost on the way. ``Rules`` can be taken out one by one.
"""

from __future__ import annotations

from collections import Counter

from billing import ids, interrupted, lending, lines, posting
from billing.calendars import EPOCH
from billing.interrupted import Unsettled
from billing.lending import Room, Want
from billing.lines import Mark, Open, Return, Settled
from billing.pricing import Usage
from tests.billing.state import PRICES, Allowance, Borrow, Database, HolderRow, Period, Posting, Process, Reply, Rules


class World:
    """Everything, and every step that can be taken in it. Steps that cannot be taken do nothing."""

    def __init__(self, rules: Rules = Rules(), limits: tuple[int, ...] = (100, 60)) -> None:  # noqa: B008
        self.rules = rules
        self.database = Database({number: Period(limit) for number, limit in enumerate(limits, 1)})
        self.processes: dict[str, Process] = {}
        self.borrows: list[Borrow] = []
        self.replies: list[Reply] = []
        self.postings: list[Posting] = []
        self.statements: list[Reply] = []
        self.dispatched: dict[str, Open] = {}
        self.settled: dict[str, Settled] = {}
        self.is_written_off = False
        self._now = 1_700_000_000_000_000

    def _moment(self) -> int:
        self._now += 1000
        return self._now

    # a process

    def spawn(self) -> Process:
        holder = ids.new(self._moment())
        process = self.processes[holder] = Process(holder, {1: lines.head(holder, 1)})
        self.database.holders[holder] = HolderRow()
        return process

    def ask(self, process: Process, need: int, rate: int = 0) -> None:
        self.borrows.append(Borrow(process.holder, need, rate))

    def learn(self, reply: Reply) -> None:
        process = self.processes[reply.holder]
        if process.is_alive and not process.has_ended:
            for period, granted in reply.granted.items():
                more = max(0, granted - process.learned[period])
                process.free[period] += more
                process.learned[period] += more

    def dispatch(self, process: Process, hold: int) -> Open | None:
        if any(process.free[period] < hold for period in self.database.periods):
            return None
        id = ids.new(self._moment())
        opened = Open(
            id=id, request_id=id, operation="chat.completions", model="m", price_rows=PRICES, prompt_tokens=1,
            hold=dict.fromkeys(self.database.periods, hold),
        )  # fmt: skip
        process.free.subtract(opened.hold)
        process.live[id] = self.dispatched[id] = opened
        process.write(opened)
        return opened

    def dispatch_again(self, process: Process, opened: Open, hold: int) -> None:
        """Another attempt replaces the reservation."""
        if any(process.free[period] + opened.hold[period] < hold for period in opened.hold):
            return
        process.free.update(opened.hold)
        again = lines.decode_open(lines.encode(opened))
        again = Open(**{**{name: getattr(again, name) for name in again.__struct_fields__}, "attempt": 2,
                        "hold": dict.fromkeys(opened.hold, hold)})  # fmt: skip
        process.free.subtract(again.hold)
        process.live[again.id] = self.dispatched[again.id] = again
        process.write(again)

    def deliver(self, process: Process, opened: Open, tokens: int) -> None:
        process.output[opened.id] += tokens

    def settle(self, process: Process, opened: Open, cost: int) -> None:
        del process.live[opened.id]
        line = lines.settled(opened, Usage(output=cost), cost=cost, status="completed", finished_at=0)
        for period, hold in opened.hold.items():
            process.free[period] += hold - line.taken[period]
        self.settled[opened.id] = line
        process.write(line)

    def give_back(self, process: Process) -> None:
        amounts = {period: amount for period, amount in process.free.items() if amount}
        if not amounts:
            return
        process.free.subtract(amounts)
        if self.rules.returns_in_journal:
            process.write(Return(amounts=amounts))
        else:
            self.statements.append(Reply(process.holder, amounts))

    def seal(self, process: Process, cut: int | None = None) -> None:
        """Begin the next file; with ``cut`` death comes after so many of its first bytes."""
        carried = []
        for id, opened in process.live.items():
            carried.append(lines.encode(opened))
            if process.output[id]:
                carried.append(lines.encode(Mark(id=id, output=process.output[id])))
        count = len(process.live)
        if not self.rules.seal_carries_open:
            carried, count = [], 0
        head = lines.head(process.holder, process.seq + 1, carried, count)
        sealed = process.seq
        process.files[sealed + 1] = head[:cut]
        if cut is not None:
            self.kill(process)
        else:
            process.sealed_seq = sealed

    def end(self, process: Process) -> None:
        for opened in list(process.live.values()):
            left = Unsettled(opened, process.output[opened.id])
            line = interrupted.record_of(left, 0)
            del process.live[opened.id]
            for period, hold in opened.hold.items():
                process.free[period] += hold - line.taken[period]
            process.write(line)
        self.give_back(process)
        process.write(lines.End())
        process.sealed_seq = process.seq
        process.has_ended = True

    def kill(self, process: Process) -> None:
        process.is_alive = False
        if not self.rules.frees_by_journal_alone:
            self._release(process.holder, self.database.held(process.holder))

    # between them

    def store(self, process: Process, seq: int) -> None:
        if seq <= process.sealed_seq:
            self.database.segments.setdefault((process.holder, seq), process.files[seq])

    def recover(self, process: Process, steps: int = 1000) -> None:
        """Take over a dead process; stop after so many steps."""
        if process.is_alive:
            return
        for seq in sorted(process.files):
            if steps <= 0:
                return
            if (process.holder, seq) not in self.database.segments:
                self.database.segments[process.holder, seq] = process.files[seq]
                steps -= 1
        stored = sorted((seq for holder, seq in self.database.segments if holder == process.holder), reverse=True)
        newest_first = [self.database.segments[process.holder, seq] for seq in stored]
        if steps > 0 and not interrupted.has_ended(newest_first[0]):
            if not self.rules.begin_counts_carried:
                newest_first = newest_first[:1]
            closing = interrupted.closing(process.holder, stored[0] + 1, interrupted.left_open(newest_first), 0)
            self.database.segments[process.holder, stored[0] + 1] = closing

    # the database

    def lend(self, borrow: Borrow) -> None:
        row = self.database.holders[borrow.holder]
        if row.is_closed and self.rules.borrow_checks_closed:
            return
        for number, period in self.database.periods.items():
            room = Room(period.limit, period.posted, period.lent, period.is_wanted)
            want = Want(number, EPOCH, (borrow.need,), borrow.rate)
            grant = lending.amount(want, room)
            period.is_wanted = grant < sum(lending.hopeful(want.needs, room))
            allowance = self.database.allowances.setdefault((borrow.holder, number), Allowance())
            period.lent += grant
            allowance.granted += grant
        granted = {period: self.database.allowances[borrow.holder, period].granted for period in self.database.periods}
        self.replies.append(Reply(borrow.holder, granted))

    def release_by_statement(self, statement: Reply) -> None:
        """What a return beside the journal would be: a message, and those are lost, late or doubled."""
        self._release(*statement)

    def begin_post(self, holder: str) -> None:
        seq = self.database.holders[holder].posted_seq + 1
        if (holder, seq) in self.database.segments:
            self.postings.append(Posting(holder, seq, self.database.segments[holder, seq]))

    def commit_post(self, begun: Posting) -> None:
        row = self.database.holders[begun.holder]
        if self.rules.post_checks_seq and row.posted_seq != begun.seq - 1:
            return
        self._record(begun.holder, posting.batch_of(line for _, line, _ in lines.read(begun.payload).lines))
        row.posted_seq = begun.seq

    def write_off(self, process: Process) -> None:
        """The machine is lost: close the holder from what is stored of it, without its journal."""
        database, holder = self.database, process.holder
        row = database.holders[holder]
        stored = sorted((seq for owner, seq in database.segments if owner == holder), reverse=True)
        if process.is_alive or row.is_closed or row.posted_seq != max(stored, default=0):
            return
        self.is_written_off = True
        left = interrupted.left_open(database.segments[holder, seq] for seq in stored)
        settled = {each.opened.id: interrupted.record_of(each, 0) for each in left}
        self._record(holder, posting.Batch(settled, Counter(), has_ended=True))

    def _record(self, holder: str, batch: posting.Batch) -> None:
        new = [line for id, line in batch.settled.items() if id not in self.database.records]
        for id, line in batch.settled.items():
            if id in self.database.records:
                self._correct(self.database.records[id], line)
        self.database.records.update({line.id: line for line in new})
        charges = posting.charges_of(new)
        gives = posting.gives_of(new, batch, self.database.held(holder))
        for number, period in self.database.periods.items():
            given = min(charges[number], gives.get(number, 0))
            period.posted += charges[number]
            period.over += charges[number] - given
        if self.rules.post_lowers_lent:
            self._release(holder, gives)
        if batch.has_ended:
            self.database.holders[holder].is_closed = True

    def _correct(self, record: Settled, line: Settled) -> None:
        known = posting.Known(record.status == "interrupted" and record.estimated, record.cost, record.charges)
        correction = posting.correction_of(known, line)
        if correction is None or record.id in self.database.corrections:
            return
        self.database.corrections[record.id] = correction.cost
        for number, amount in correction.charges.items():
            self.database.periods[number].posted += amount

    def _release(self, holder: str, amounts: dict[int, int]) -> None:
        for number, amount in amounts.items():
            self.database.allowances[holder, number].used += amount
            self.database.periods[number].lent -= amount

    # near the limit

    def wait(self, needs: dict[str, int], rounds: int) -> list[Open]:
        """Let one request per process wait for ``needs``; return those that are served within so many polls.

        A round is what happens from one poll to the next: who waits gives back its own rest and asks again; whoever
        sees that money is wanted returns what it has free; what was returned is flushed and posted.
        """
        served: list[Open] = []
        for _ in range(rounds):
            waiting = {
                holder: need for holder, need in needs.items() if holder not in {self._of(one) for one in served}
            }
            for holder, need in waiting.items():
                process = self.processes[holder]
                if self.rules.refused_gives_back and min(process.free[each] for each in self.database.periods) < need:
                    self.give_back(process)
                self.lend(Borrow(holder, need))
                self.learn(self.replies[-1])
                if opened := self.dispatch(process, need):
                    served.append(opened)
            for process in self.processes.values():
                if self.rules.refused_gives_back or process.holder not in waiting:
                    self.give_back(process)
                self.flush(process)
        return served

    def flush(self, process: Process) -> None:
        """Seal, store and post all a process has written."""
        self.seal(process)
        for seq in range(1, process.seq):
            self.store(process, seq)
        self.post(process.holder)

    def post(self, holder: str) -> None:
        row = self.database.holders[holder]
        while (holder, row.posted_seq + 1) in self.database.segments:
            self.begin_post(holder)
            self.commit_post(self.postings[-1])

    def _of(self, opened: Open) -> str:
        return next(process.holder for process in self.processes.values() if opened.id in process.live)

    # what must hold

    def check(self) -> None:
        self._check_limits()
        self._check_lent()
        for process in self.processes.values():
            if process.is_alive and not process.has_ended and not self.database.holders[process.holder].is_closed:
                self._check_allowance(process)

    def finish(self) -> None:
        """Kill all, recover and post; then everything must be accounted for."""
        for process in self.processes.values():
            self.kill(process)
            self.recover(process)
        for holder in self.database.holders:
            self.post(holder)
        assert self.database.records.keys() == self.dispatched.keys(), "one record per dispatched request"
        for id, line in self.settled.items():
            cost = self.database.records[id].cost or 0
            assert cost + self.database.corrections.get(id, 0) == line.cost, "settled requests have their true cost"
        for number, period in self.database.periods.items():
            charged = sum(record.charges[number] for record in self.database.records.values())
            assert period.posted == charged + sum(self.database.corrections.values()), "posted is what was charged"
            assert period.lent == 0, "nothing stays lent"

    def _check_limits(self) -> None:
        if self.is_written_off:
            return
        for number, period in self.database.periods.items():
            assert period.posted + period.lent <= period.limit + period.over, "lent beyond the limit"
            spent = sum(line.taken[number] for line in self.settled.values())
            reserved = sum(
                opened.hold[number] for process in self.processes.values() if process.is_alive
                for opened in process.live.values()
            )  # fmt: skip
            assert spent + reserved <= period.limit, "spent beyond the limit"

    def _check_lent(self) -> None:
        for number, period in self.database.periods.items():
            rows = [row for (_, owned), row in self.database.allowances.items() if owned == number]
            assert period.lent == sum(row.held for row in rows), "lent is what allowances hold"
            assert all(0 <= row.used <= row.granted for row in rows), "used within granted"

    def _check_allowance(self, process: Process) -> None:
        posted_seq = self.database.holders[process.holder].posted_seq
        unposted: Counter[int] = Counter()
        for seq, payload in process.files.items():
            if seq > posted_seq:
                batch = posting.batch_of(line for _, line, _ in lines.read(payload).lines)
                unposted.update(batch.returned)
                for line in batch.settled.values():
                    unposted.update(line.taken)
        for number in self.database.periods:
            row = self.database.allowances.get((process.holder, number), Allowance())
            reserved = sum(opened.hold[number] for opened in process.live.values())
            unlearned = row.granted - process.learned[number]
            assert process.free[number] >= 0, "free money below zero"
            assert row.held == process.free[number] + reserved + unposted[number] + unlearned, (
                "money is unaccounted for"
            )
