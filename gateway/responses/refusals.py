"""What callers of Responses and Conversations are refused, in OpenAI's words."""

from __future__ import annotations

from typing import ClassVar

LONGEST_ID = 64


class Refusal(Exception):
    """An answer of ``status``; the message names what was asked for."""

    status: ClassVar[int] = 404
    code: ClassVar[str | None] = None
    param: ClassVar[str | None] = None
    text: ClassVar[str]

    def __init__(self, id: str = "") -> None:
        super().__init__(self.text.format(id=id if is_id(id) else "?"))


class NoResponse(Refusal):
    """Not there, or not the caller's: nobody learns ids by guessing."""

    text = "Response with id '{id}' not found."


class NoConversation(Refusal):
    """Not there, or not the caller's."""

    text = "Conversation with id '{id}' not found."


class NoItem(Refusal):
    """Not in this conversation, or nowhere that the caller may refer to."""

    text = "Item with id '{id}' not found."


class NoPrevious(Refusal):
    """What is to be continued was not stored, has been deleted or is not the caller's."""

    status = 400
    code = "previous_response_not_found"
    param = "previous_response_id"
    text = "Previous response with id '{id}' not found."


class PreviousUnfinished(Refusal):
    """What is to be continued has no answer yet, or none that could be continued."""

    status = 400
    code = "previous_response_not_finished"
    param = "previous_response_id"
    text = "Previous response with id '{id}' has no answer to continue from."


class ConversationBusy(Refusal):
    """Another response works on the conversation."""

    status = 409
    code = "conversation_locked"
    param = "conversation"
    text = "Another response is being made in the conversation '{id}'. Please retry in a few seconds."


class ItemThere(Refusal):
    """Items of a conversation have different ids, of a length that can be looked up."""

    status = 400
    code = "invalid_value"
    param = "items"
    text = "The id '{id}' is no id for a new item: it is taken, or longer than 64 characters. Leave it out to get one."


class NotInBackground(Refusal):
    """Only what runs in the background can be cancelled."""

    status = 400
    param = "response_id"
    text = "Response '{id}' cannot be cancelled: only responses with 'background' set to true can be."


class NotStreamed(Refusal):
    """Only the events of streamed background responses are kept."""

    status = 400
    param = "stream"
    text = (
        "Response '{id}' cannot be streamed: only responses made with both 'background' and 'stream' set to true "
        "can be streamed again."
    )


def is_id(text: str) -> bool:
    """Whether anything can have this id: what cannot need not be looked for."""
    return text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST_ID


def sought(id: str, refusal: type[Refusal]) -> str:
    """Return ``id`` where something can have it. Raises ``refusal``."""
    if not is_id(id):
        raise refusal(id)
    return id
