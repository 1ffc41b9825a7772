"""How many tokens a response would read, with all that it continues."""

from __future__ import annotations

from gateway import inference
from gateway.inquiry import Inquiry
from gateway.messages import counting
from gateway.messages.counting import Count
from gateway.responses import request
from gateway.responses.turn import Turn


async def counted(inquiry: Inquiry) -> Count:
    """Return the count of what ``inquiry`` asks for, as a chat. Raises what a call of it would."""
    turn = Turn(inquiry, request.checked(inquiry.body))
    await turn.look_around()
    return await counting.of(inference.considered("chat.completions", await turn.asking()))
