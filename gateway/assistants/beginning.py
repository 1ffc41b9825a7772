"""The door's side of runs: checked as their calls would be, queued or sent on, and workers told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway import inference, sandbox
from gateway.asking import in_store
from gateway.assistants import runasked, runstore, store
from gateway.assistants.refusals import NoUserMessage
from gateway.assistants.rows import Assistant, Run
from gateway.assistants.runasked import Asked
from gateway.assistants.tasks import execute
from gateway.assistants.turns import DOOR, OPERATION
from gateway.fieldchecks import Invalid
from gateway.hinting import hint
from gateway.inquiry import Inquiry

# what of a request's headers shapes the calls that are made of it
HEADERS = (b"x-tollgate-tags",)
Query = Mapping[str, list[str]]


class Begun(NamedTuple):
    """A run that works now, on the thread of this id; ``after`` is the number of its last event before."""

    run: Run
    thread: str
    after: int


async def begun(inquiry: Inquiry, thread: str, query: Query) -> Begun:
    """Return the run on the caller's thread that the inquiry's body asks for, queued; ``query`` is its query string.

    Raises ``Invalid``, ``NoThread``, ``NoAssistant``, ``ThreadBusy``, ``NoUserMessage``, and what its calls would be
    refused for now.
    """
    asked, request = runasked.run_of(inquiry.body), _request(inquiry, query)
    assistant = await in_store(store.assistant_for, inquiry.caller, thread, asked.assistant)
    _consider(inquiry, asked, assistant)
    return _told(await in_store(runstore.create, inquiry.caller, thread, assistant, asked, request), thread)


async def begun_with_thread(inquiry: Inquiry, query: Query) -> Begun:
    """Return the run, and the thread that is made with it. Raises as ``begun``."""
    asked, request = runasked.run_with_thread_of(inquiry.body), _request(inquiry, query)
    assistant = await in_store(store.one_assistant, inquiry.caller, asked.assistant)
    said = _consider(inquiry, asked, assistant)
    if not said.get("instructions") and not runasked.has_question(asked.thread):
        raise NoUserMessage
    run = await in_store(runstore.create_with_thread, inquiry.caller, assistant, asked, request)
    return _told(run, run.thread.handle)


async def submitted(inquiry: Inquiry, thread: str, run: str) -> Begun:
    """Return a run that goes on with what came of its calls.

    Raises ``Invalid``, ``NoThread``, ``NoRun``.
    """
    outputs = runasked.outputs_of(inquiry.body)
    row, before = await in_store(runstore.submit, inquiry.caller, thread, run, outputs)
    return _told(row, thread, before)


def _consider(inquiry: Inquiry, asked: Asked, assistant: Assistant) -> dict[str, Any]:
    """Return what the run will go by. Raises what its calls would be refused for now."""
    said = runasked.fixed(asked, assistant.body, {})
    if runasked.executes_code(said) and not sandbox.is_configured():
        raise Invalid(
            "This gateway executes no code: an admin can turn the sandbox on with TOLLGATE_SANDBOX. Leave the tool "
            "'code_interpreter' out of the run, or send the tool_choice 'none'.",
            "tools",
            "unsupported_value",
        )
    sounding = {"model": said["model"], "messages": [{"role": "user", "content": ""}]}
    inference.considered(OPERATION, Inquiry(inquiry.headers, inquiry.caller, sounding), door=DOOR)
    return said


def _request(inquiry: Inquiry, query: Query) -> dict[str, Any]:
    headers = {name.decode(): inquiry.headers[name].decode("latin-1") for name in HEADERS if name in inquiry.headers}
    results = {"includes_results": True} if runasked.includes_results(query) else {}
    return {"headers": headers, "request_id": inquiry.request_id, **results}


def _told(run: Run, thread: str, after: int = 0) -> Begun:
    hint(execute, run.pk)
    return Begun(run, thread, after)
