"""What one call of a run's model is told: all of it ready before the call is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from accounts.callers import Caller
from gateway import inference
from gateway.assistants import offering, pictures, prompting, tooling
from gateway.assistants.patience import when_there_is_room
from gateway.assistants.rows import Run, new_handle
from gateway.assistants.speaking import Handles, Speech
from gateway.assistants.workstore import History
from gateway.bodies import prompt_estimate
from gateway.files.rows import StoredFile
from gateway.inquiry import Inquiry

OPERATION, DOOR = "chat.completions", "runs"


class Turn(NamedTuple):
    """``body`` asks for an answer, which ``speech`` takes. ``files`` are those that code finds.

    ``exceeds`` is the bound that leaves no room for the answer, "" where there is room.
    """

    body: dict[str, Any]
    handles: Handles
    speech: Speech
    files: Mapping[str, StoredFile]
    exceeds: str = ""

    @property
    def place(self) -> int:
        """The place in the chat where the answer will stand."""
        return len(self.body["messages"])


async def prepared(caller: Caller, run: Run, history: History) -> Turn:
    """Return the next call of the run's model for ``caller``, who may call it. Raises what it would be refused for."""
    asked: Mapping[str, Any] = run.asked
    names = offering.names(asked.get("tools") or ())
    has_code = offering.CODE_INTERPRETER in names
    files = await when_there_is_room(lambda: tooling.files_of(caller, run, history.files)) if has_code else {}
    has_called = any(step.message is not None for step in history.steps)
    tools = offering.offered(asked, names, list(files), has_called=has_called)
    most_prompt, most_answer = prompting.left_of(asked, history.usage)
    room = prompting.room_of(_window(caller, run), most_prompt, most_answer)
    wanted = prompting.pictures_in(content for _, content in history.messages)
    shown = await when_there_is_room(lambda: pictures.urls(caller, wanted))
    messages = (prompting.message_of(role, content, shown) for role, content in history.messages)
    prompt = prompting.prompt(
        asked.get("instructions"),
        [message for message in messages if message is not None],
        prompting.replayed(history.steps),
        asked.get("truncation_strategy"),
        room,
        prompt_estimate(tools),
    )
    handles = Handles(new_handle("message"), new_handle("step"), new_handle("step"))
    ours = {name: kind for kind, name in names.items()}
    taken = {call["id"] for step in history.steps if step.message for call in step.message["tool_calls"]}
    return Turn(
        prompting.chat_body(asked, prompt.messages, tools, most_answer),
        handles,
        Speech(handles, ours, history.sources, taken, history.pictures),
        files,
        prompting.exceeded(prompt.weight, most_prompt, most_answer),
    )


def _window(caller: Caller, run: Run) -> int | None:
    """Return how many tokens every target of the run's model reads at one time, None where nobody knows."""
    body = {"model": run.asked["model"], "messages": [{"role": "user", "content": ""}]}
    call = inference.considered(OPERATION, Inquiry({}, caller, body), door=DOOR)
    return min((target.context_window for target in call.plan.groups[0].targets if target.context_window), default=None)
