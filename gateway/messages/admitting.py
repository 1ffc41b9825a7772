"""Admits a call that is asked for as a message."""

from __future__ import annotations

from gateway import inference
from gateway.calls import Call
from gateway.inquiry import Inquiry
from gateway.messages import request

OPERATION = "messages"


async def admitted(inquiry: Inquiry) -> Call:
    """Return the call, its body that of a chat. Raises what ``gateway.errors`` translates."""
    inquiry.body = request.chat(inquiry.body)
    return await inference.admit("chat.completions", inquiry, door=OPERATION)
