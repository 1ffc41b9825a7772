"""What callers of assistants, threads and runs are refused, in OpenAI's words."""

from __future__ import annotations

from gateway.responses.refusals import Refusal


class NoAssistant(Refusal):
    """Not there, or not the caller's: nobody learns ids by guessing."""

    text = "No assistant found with id '{id}'."


class NoThread(Refusal):
    """Not there, or not the caller's."""

    text = "No thread found with id '{id}'."


class NoMessage(Refusal):
    """Not in this thread."""

    text = "No message found with id '{id}'."


class NoRun(Refusal):
    """Not in this thread."""

    text = "No run found with id '{id}'."


class NoStep(Refusal):
    """Not of this run."""

    text = "No run step found with id '{id}'."


class NoFile(Refusal):
    """Not there, not the caller's, or not attached to what was asked for its files."""

    text = "No file found with id '{id}'."


class MessageOpen(Refusal):
    """A run is writing this message."""

    status = 400
    text = "Cannot delete message with status '{id}'."


class NoUserMessage(Refusal):
    """There is nothing that a run could answer."""

    status = 400
    code = "invalid_thread"
    text = "Run creation requires a Thread with a user message or an assistant with instructions."


class RunStatus(Refusal):
    """A run's metadata is not changed while it works."""

    status = 400
    text = "Cannot update run with status '{id}'."


class ThreadLocked(Refusal):
    """A thread gets no messages from callers while a run works on it."""

    status = 400
    text = "Can't add messages to {thread} while a run {run} is active."

    def __init__(self, thread: str, run: str) -> None:
        Exception.__init__(self, self.text.format(thread=thread, run=run))


class ThreadBusy(ThreadLocked):
    """One run at a time works on a thread."""

    text = "Thread {thread} already has an active run {run}."
