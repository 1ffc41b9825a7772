"""A run at work: one call of its model after the other, what its tools do between them, until it rests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Concatenate, ParamSpec, TypeVar

from accounts.callers import Caller
from accounts.errors import UnknownKey
from gateway import inference
from gateway.assistants import log, offering, tooling, turns, workstore
from gateway.assistants.patience import when_it_is_there, when_there_is_room
from gateway.assistants.prompting import used
from gateway.assistants.rows import Run
from gateway.assistants.speaking import MESSAGE, Ended, Told, calls_delta
from gateway.assistants.states import FAILED
from gateway.assistants.tooling import Ran, Work
from gateway.assistants.turns import DOOR, OPERATION, Turn
from gateway.assistants.workstore import Called
from gateway.assistants.workthreads import in_thread
from gateway.callers import caller_with
from gateway.calls import Call
from gateway.errors import ApiError
from gateway.inference import GONE
from gateway.inquiry import ForRun, Inquiry
from gateway.settling import settle
from gateway.streaming import Streaming
from providers.client import Chunk

P = ParamSpec("P")
T = TypeVar("T")
Error = dict[str, str]

# a model that calls tools for ever is stopped
MOST_CALLS = 100
TOO_MANY = {"code": "server_error", "message": f"The run came to no end within {MOST_CALLS} calls of its model."}
FILTERED = {"code": "invalid_prompt", "message": "The answer was stopped by the content filter of its model."}
CUT_OFF = {"length": "max_tokens", "content_filter": "content_filter"}
CODES = {400: "invalid_prompt", 413: "invalid_prompt", 422: "invalid_prompt", 429: "rate_limit_exceeded"}
# whatever is heard is told at once
HEARD = b"."


def error_of(error: ApiError) -> Error:
    """Return what a run says of an error that ended it."""
    return {"code": CODES.get(error.status, "server_error"), "message": error.message}


class Engine:
    """Carries on a run that this process has taken. Whatever it writes is refused once another one has.

    ``repeats`` is the record of the call of which nobody knows what came of it: the next one is in its place.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.telling = log.Telling(run.pk, run.fence)
        self.repeats = run.call or None

    async def execute(self) -> None:
        """Carry on until the run rests. Raises ``Overtaken``, and what its calls are refused for."""
        while await self._goes_on():
            pass

    async def end(self, status: str, error: Error | None = None) -> None:
        """End the run, after all that was told of it. Raises ``Overtaken``."""
        await self.write(workstore.end, status, error)

    async def release(self) -> None:
        """Let another process go on. Raises ``Overtaken``."""
        await self.write(workstore.release)

    async def write(self, work: Callable[Concatenate[int, int, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Change the run, after all that was told of it before."""
        await self.telling.flush()
        return await when_it_is_there(lambda: in_thread(work, self.run.pk, self.run.fence, *args, **kwargs))

    async def _goes_on(self) -> bool:
        """Make one call of the model; whether another one follows."""
        caller = await when_there_is_room(self._caller)
        history = await self.write(workstore.history)
        turn = await turns.prepared(caller, self.run, history)
        if turn.exceeds:
            await self.write(workstore.incomplete, turn.exceeds)
            return False
        if len({step.record for step in history.steps}) >= MOST_CALLS:
            await self.end(FAILED, TOO_MANY)
            return False
        return await _Hearing(self, caller, turn).concluded()

    async def _caller(self) -> Caller:
        """Return who the run calls for, as of now. Raises ``KeyRefused``."""
        if self.run.api_key_id is None:
            raise UnknownKey
        return await caller_with(self.run.api_key_id)


class _Hearing:
    """One call of the model, heard to its end: ``streaming.Writer`` says how."""

    def __init__(self, engine: Engine, caller: Caller, turn: Turn) -> None:
        self._engine, self._caller, self._turn = engine, caller, turn
        self._run, self._speech = engine.run, turn.speech
        self._error: ApiError | None = None
        self._record = ""
        self._used: dict[str, int] = {}

    # streaming.Writer -----------------------------------------------------------------------------------------------

    def chunk(self, chunk: Chunk) -> bytes:
        self._speech.feed(chunk.data)
        return HEARD

    async def end(self) -> bytes:
        return b""

    def error(self, error: ApiError) -> bytes:
        self._error = error
        return HEARD

    # the call -------------------------------------------------------------------------------------------------------

    async def concluded(self) -> bool:
        """Hear the answer, and write down what came of it; whether another call follows."""
        async with aclosing(await when_there_is_room(self._begun)) as stream:
            async for _ in stream.pieces():
                await self._tell()
        if self._error is not None:
            await self._engine.end(FAILED, error_of(self._error))
            return False
        self._speech.end()
        await self._tell()
        call = stream.call
        self._used = used(stream.usage, (call.prompt_tokens, call.output_estimate()))
        return await self._written()

    async def _begun(self) -> Streaming:
        """Return the answer as it begins. Raises what the call is refused for; then nothing was sent."""
        inquiry = self._inquiry(dict(self._turn.body))
        call = await inference.admit(OPERATION, inquiry, door=DOOR)
        await self._note(call)
        stream = await inference.stream(call, self)
        self._engine.repeats = None
        return stream

    async def _note(self, call: Call) -> None:
        """Write down that the call is about to be made, so that whoever takes the run over knows what it repeats."""
        try:
            await self._engine.write(workstore.begin_call, call.id)
        except BaseException:
            settle(call, call.inquiry.left_as, http_status=GONE)
            raise
        self._record = call.id

    def _inquiry(self, body: dict[str, Any] | None = None) -> Inquiry:
        request = self._run.asked["request"]
        step = self._turn.handles.first if body is not None else self._speech.calls_step
        repeats = self._engine.repeats if body is not None else None
        return Inquiry(
            {name.encode(): value.encode("latin-1") for name, value in request["headers"].items()},
            self._caller,
            body,
            left_as="cancelled",
            retry_of=repeats,
            run=ForRun(self._run.handle, step, self._run.fence),
            request_id=request["request_id"],
        )

    async def _tell(self) -> None:
        """Tell what the answer says: as deltas, and as steps that begin and end."""
        for act in self._speech.take():
            if isinstance(act, Told):
                self._engine.telling.add([act.event])
            elif isinstance(act, Ended):
                await self._engine.write(workstore.end_message, self._speech.content())
            elif act.type == MESSAGE:
                await self._engine.write(workstore.begin_message, self._turn.handles, self._record)
            else:
                await self._engine.write(workstore.begin_calls, act.step, self._record)

    # what came of it ------------------------------------------------------------------------------------------------

    async def _written(self) -> bool:
        """Write down the answer's end; whether another call follows."""
        reason, speech, write = CUT_OFF.get(self._speech.finish_reason, ""), self._speech, self._engine.write
        if not speech.has_called:
            error = FILTERED if reason == "content_filter" else None
            await write(workstore.answer, speech.content(), self._used, reason=reason, error=error)
            return False
        if reason == "content_filter":
            await self._engine.end(FAILED, FILTERED)
            return False
        if reason:
            await write(workstore.incomplete, "max_completion_tokens", self._used)
            return False
        return await write(workstore.called, await self._called(), self._used)

    async def _called(self) -> Called:
        """Return what was called, once all that is executed here has been."""
        calls, ran = self._speech.calls(), {}
        for at, call in enumerate(calls):
            if call["type"] != "function":
                ran[call["id"]] = await self._ran(at, call["id"], call["type"])
        return Called(
            [ran[call["id"]].shown if call["id"] in ran else call for call in calls],
            self._speech.message(),
            {id: each.output for id, each in ran.items()},
            {text: source for each in ran.values() for text, source in each.sources.items()},
            {id: name for each in ran.values() for id, name in each.files.items()},
        )

    async def _ran(self, at: int, id: str, kind: str) -> Ran:
        """Execute the call at this place among those of the answer, each of which gets a message of its own."""
        turn = self._turn
        work = Work(self._inquiry(), self._run, id, self._speech.arguments(id), turn.place + 1 + at, turn.files)
        if kind == offering.FILE_SEARCH:
            return await tooling.search(work)
        self._tell_code(at, {"input": work.code})
        ran = await tooling.execute(work)
        outputs = ran.shown[kind]["outputs"]
        self._tell_code(at, {"outputs": [{"index": place, **each} for place, each in enumerate(outputs)]})
        return ran

    def _tell_code(self, at: int, said: dict[str, Any]) -> None:
        call = {"index": at, "type": offering.CODE_INTERPRETER, offering.CODE_INTERPRETER: said}
        self._engine.telling.add([calls_delta(self._speech.calls_step, [call])])
