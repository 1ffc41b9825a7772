"""/v1/threads/{thread}/runs: runs and their steps."""

from __future__ import annotations

from rest_framework.request import Request

from gateway.asking import in_store
from gateway.assistants import asked, beginning, runasked, runstore, shown
from gateway.assistants.consumers import RunStream, RunWithThreadStream, ToolOutputsStream
from gateway.assistants.states import TERMINAL
from gateway.replies import Reply
from gateway.responses.listing import paged, query_of
from gateway.views.api import ApiView, inquiry_of

# who polls comes again after this
POLL_AFTER = ("openai-poll-after-ms", "250")


class Runs(ApiView):
    """Begin a run on a thread; list those of a thread."""

    consumer = RunStream

    async def post(self, request: Request, thread_id: str) -> Reply:
        begun = await beginning.begun(inquiry_of(request), thread_id, dict(request.query_params.lists()))
        return Reply.json(shown.run(begun.run, begun.thread))

    async def get(self, request: Request, thread_id: str) -> Reply:
        query = query_of(dict(request.query_params.lists()))
        rows = await in_store(runstore.listed, inquiry_of(request).caller, thread_id, query)
        return Reply.json(paged(rows, query))


class RunWithThread(ApiView):
    """Begin a thread and a run on it."""

    consumer = RunWithThreadStream

    async def post(self, request: Request) -> Reply:
        begun = await beginning.begun_with_thread(inquiry_of(request), dict(request.query_params.lists()))
        return Reply.json(shown.run(begun.run, begun.thread))


class Run(ApiView):
    """Describe a run and how far it has come; change its metadata."""

    async def get(self, request: Request, thread_id: str, run_id: str) -> Reply:
        run = await in_store(runstore.one, inquiry_of(request).caller, thread_id, run_id)
        reply = Reply.json(shown.run(run, thread_id))
        if run.status not in TERMINAL:
            reply.headers.append(POLL_AFTER)
        return reply

    async def post(self, request: Request, thread_id: str, run_id: str) -> Reply:
        inquiry = inquiry_of(request)
        metadata = asked.metadata_of(inquiry.body)
        run = await in_store(runstore.describe, inquiry.caller, thread_id, run_id, metadata)
        return Reply.json(shown.run(run, thread_id))


class Cancel(ApiView):
    """Let nothing more be done for a run."""

    body_is_optional = True

    async def post(self, request: Request, thread_id: str, run_id: str) -> Reply:
        return Reply.json(await in_store(runstore.cancel, inquiry_of(request).caller, thread_id, run_id))


class ToolOutputs(ApiView):
    """Go on with a run that waits for what came of its calls."""

    consumer = ToolOutputsStream

    async def post(self, request: Request, thread_id: str, run_id: str) -> Reply:
        begun = await beginning.submitted(inquiry_of(request), thread_id, run_id)
        return Reply.json(shown.run(begun.run, begun.thread))


class Steps(ApiView):
    """List the steps of a run."""

    async def get(self, request: Request, thread_id: str, run_id: str) -> Reply:
        given = dict(request.query_params.lists())
        query, results = query_of(given), runasked.includes_results(given)
        caller = inquiry_of(request).caller
        rows = await in_store(runstore.steps, caller, thread_id, run_id, query, includes_results=results)
        return Reply.json(paged(rows, query))


class Step(ApiView):
    """Describe a step of a run."""

    async def get(self, request: Request, thread_id: str, run_id: str, step_id: str) -> Reply:
        results = runasked.includes_results(dict(request.query_params.lists()))
        caller = inquiry_of(request).caller
        step = await in_store(runstore.step, caller, thread_id, run_id, step_id, includes_results=results)
        return Reply.json(step)
