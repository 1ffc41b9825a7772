"""Assistants, threads and runs of the scene: some done, some that wait, some that went wrong."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from accounts.models import ApiKey
from billing import bulk, clock, ids, lines, posting, prices
from billing.pricing import Usage, cost_of
from gateway.assistants.rows import Assistant, Message, Run, RunStep, Thread, new_handle
from gateway.assistants.states import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    REQUIRES_ACTION,
    TERMINAL,
)

SEARCH, CODE = {"type": "file_search"}, {"type": "code_interpreter"}
ORDER = {
    "type": "function",
    "function": {"name": "find_order", "parameters": {"type": "object", "properties": {"number": {"type": "string"}}}},
}
ASSISTANTS = [
    ("Support desk", "gpt-4o-mini", [SEARCH, ORDER], "You answer customers. Look into the handbook before you do."),
    ("Data analyst", "gpt-4o", [CODE], "You answer questions about tables with Python, and show how."),
    (
        "An assistant whose name somebody has made as long as the interface allows it to be, for whatever reason",
        "gpt-5",
        [],
        "",
    ),
]
ASKED = [
    "Where is my order 4711?",
    "How many of our customers came back last month, by country?",
    "Why is the sky blue?",
]
ANSWERED = [
    "Order 4711 left our warehouse this morning and arrives on Tuesday.\n\nYou can follow it with the number 00340434.",
    "Of 1,204 customers 318 came back:\n\n- Germany: 171\n- France: 96\n- Italy: 51",
    "Air scatters blue light more than red light.",
]
STATUSES = [COMPLETED] * 8 + [FAILED, INCOMPLETE, CANCELLED, EXPIRED]


class Moment(NamedTuple):
    """A run and the moment at which its next step begins."""

    run: Run
    at: datetime


def fill(chance: random.Random, keys: list[ApiKey]) -> None:
    now, book = clock.now(), prices.load({"openai"})
    owners = [key for key in keys if key.user_id][:3]
    made = [_assistant(key, now - timedelta(days=20), *each) for key, each in zip(owners, ASSISTANTS, strict=True)]
    # one waits for its caller, one is worked on, the others are over
    begun = [(now - timedelta(minutes=7 + 211 * number), number % 3, chance.choice(STATUSES)) for number in range(42)]
    begun += [(now - timedelta(minutes=4), 0, IN_PROGRESS), (now - timedelta(minutes=2), 0, REQUIRES_ACTION)]
    settled: list[lines.Settled] = []
    for at, place, status in sorted(begun):
        thread = _thread(owners[place], at, place)
        settled += _run(chance, made[place], thread, owners[place], at, status, book)
    bulk.insert_records(settled)
    bulk.add_spend(posting.spend_of(settled))


def _assistant(key: ApiKey, at: datetime, name: str, model: str, tools: list[Any], instructions: str) -> Assistant:
    body = {"name": name, "model": model, "tools": tools, "instructions": instructions, "metadata": {"team": "night"}}
    return Assistant.objects.create(handle=new_handle("assistant"), created_at=at, body=body, **_of(key))


def _of(key: ApiKey) -> dict[str, Any]:
    return {"user_id": key.user_id, "team_id": key.team_id, "api_key_id": key.pk}


def _thread(key: ApiKey, at: datetime, place: int) -> Thread:
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=at, body={"metadata": {}}, **_of(key))
    Message.objects.create(
        thread=thread, handle=new_handle("message"), role="user", content=_text(ASKED[place]), created_at=at,
        completed_at=at,
    )  # fmt: skip
    return thread


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": {"value": text, "annotations": []}}]


def _run(
    chance: random.Random, assistant: Assistant, thread: Thread, key: ApiKey, begun: datetime, status: str, book: Any
) -> list[lines.Settled]:
    said = assistant.body
    run = Run.objects.create(
        thread=thread, handle=new_handle("run"), assistant=assistant.handle, status=status, created_at=begun,
        asked={name: said[name] for name in ("model", "tools", "instructions")},
        expires_at=begun + (timedelta(minutes=10) if status in TERMINAL else timedelta(days=1)),
        **_of(key),
    )  # fmt: skip
    run.started_at = begun + timedelta(milliseconds=chance.randint(40, 900))
    moment, settled = Moment(run, run.started_at), []
    if said["tools"]:
        moment, line = _tools(chance, moment, key, book, status)
        settled.append(line)
    if status not in (REQUIRES_ACTION, IN_PROGRESS):
        moment, line = _message(chance, moment, key, book, status, ANSWERED[_place(said)])
        settled.append(line)
    _end(run, status, moment.at, settled)
    return settled


def _place(said: dict[str, Any]) -> int:
    return next(place for place, each in enumerate(ASSISTANTS) if each[0] == said["name"])


def _tools(chance: random.Random, moment: Moment, key: ApiKey, book: Any, status: str) -> tuple[Moment, lines.Settled]:
    run, at = moment
    first = timedelta(milliseconds=chance.randint(400, 2600))
    line = _line(chance, run, at, first, key, book, "completed")
    calls = [_called(tool) for tool in run.asked["tools"]]
    is_open = status in (REQUIRES_ACTION, IN_PROGRESS)
    end = at + first + timedelta(milliseconds=chance.randint(200, 4000))
    RunStep.objects.create(
        run=run, handle=new_handle("step"), type="tool_calls", status=IN_PROGRESS if is_open else COMPLETED,
        details={"type": "tool_calls", "tool_calls": calls}, record=line.id, created_at=at + first / 2,
        completed_at=None if is_open else end, usage=None if is_open else _usage_of(line),
    )  # fmt: skip
    if status == REQUIRES_ACTION:
        waiting = [call for call in calls if call["type"] == "function"]
        run.required_action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": waiting}}
    if status == IN_PROGRESS:
        run.lease_until = at + timedelta(days=1)  # else the gateway's own worker takes it over
    return Moment(run, end), line


def _called(tool: dict[str, Any]) -> dict[str, Any]:
    kind, id = tool["type"], f"call_{new_handle('step')[5:]}"
    if kind == "function":
        said = {"name": "find_order", "arguments": '{"number": "4711"}', "output": '{"left": "2026-11-21", "days": 3}'}
        return {"id": id, "type": kind, kind: said}
    if kind == "code_interpreter":
        code = (
            'import csv\nrows = list(csv.DictReader(open("customers.csv")))\nlen([row for row in rows if row["again"]])'
        )
        return {"id": id, "type": kind, kind: {"input": code, "outputs": [{"type": "logs", "logs": "318"}]}}
    results = [{"file_id": "file-1", "file_name": "handbook.pdf", "score": 0.81}]
    return {"id": id, "type": kind, kind: {"results": results}}


def _message(
    chance: random.Random, moment: Moment, key: ApiKey, book: Any, status: str, answer: str
) -> tuple[Moment, lines.Settled]:
    run, at = moment
    took = timedelta(milliseconds=chance.randint(900, 9000))
    has_failed = status == FAILED
    line = _line(chance, run, at, took, key, book, "upstream_error" if has_failed else "completed")
    end = at + took
    if has_failed:
        return Moment(run, end), line
    message = Message.objects.create(
        thread=run.thread, handle=new_handle("message"), role="assistant", run=run.handle, assistant=run.assistant,
        content=_text(answer), status="completed" if status == COMPLETED else "incomplete",
        incomplete_reason="" if status == COMPLETED else "max_tokens", created_at=at + took / 4, completed_at=end,
    )  # fmt: skip
    step = COMPLETED if status in (COMPLETED, INCOMPLETE) else status
    RunStep.objects.create(
        run=run, handle=new_handle("step"), type="message_creation", status=step,
        details={"type": "message_creation", "message_creation": {"message_id": message.handle}}, record=line.id,
        created_at=at + took / 4, usage=_usage_of(line), **{f"{step}_at": end},
    )  # fmt: skip
    return Moment(run, end), line


def _line(
    chance: random.Random, run: Run, at: datetime, took: timedelta, key: ApiKey, book: Any, status: str
) -> lines.Settled:
    model = run.asked["model"]
    usage = Usage(input=chance.randint(400, 9000), output=chance.randint(20, 900))
    usage = usage if status == "completed" else Usage(request=0)
    rows = book.rows("openai", model, at)
    begun = ids.microseconds(at)
    return lines.Settled(
        id=ids.new(begun), request_id=f"req_{chance.getrandbits(96):024x}", operation="chat.completions", model=model,
        provider="openai", upstream_model=model, user=key.user_id, team=key.team_id, api_key=key.pk, run_id=run.handle,
        price_rows=rows, finished_at=begun + took // timedelta(microseconds=1), status=status,
        cost=cost_of(usage, rows or ()).atoms, http_status=200 if status == "completed" else 502,
        latency_ms=took // timedelta(milliseconds=1), first_token_ms=took // timedelta(milliseconds=4),
        **lines.usage_columns(usage),
    )  # fmt: skip


def _usage_of(line: lines.Settled) -> dict[str, int]:
    prompt, answer = line.input_tokens, line.output_tokens
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _end(run: Run, status: str, at: datetime, settled: list[lines.Settled]) -> None:
    if status in TERMINAL:
        run.usage = {"total_tokens": sum(line.input_tokens + line.output_tokens for line in settled)}
    if status in (COMPLETED, FAILED, CANCELLED):
        setattr(run, f"{status}_at", at)
    if status == INCOMPLETE:
        run.incomplete_reason = "max_completion_tokens"
    if status == FAILED:
        run.last_error = {"code": "server_error", "message": "The model 'gpt-4o' could not be reached: 3 attempts."}
    run.save()
