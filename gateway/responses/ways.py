"""The two ways to make a Response: by a chat, or by an upstream that speaks Responses itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway import options
from gateway.responses import native, request
from gateway.responses.answer import Draft
from gateway.responses.events import EventWriter
from providers.operations import RESPONSES
from providers.plan import Plan

Body = Mapping[str, Any]


class Way(NamedTuple):
    """``body`` makes the upstream's request of the caller's and all items; ``finished`` the Response of its answer."""

    operation: str
    body: Callable[[Body, Sequence[Body]], dict[str, Any]]
    finished: Callable[[Draft, Body], dict[str, Any]]
    writer: type[EventWriter]


CHAT = Way("chat.completions", request.chat_body, Draft.finished, EventWriter)
NATIVE = Way(RESPONSES, native.body, native.adopted, native.NativeWriter)


def way_of(plan: Plan) -> Way:
    """Return the way that every target of ``plan`` understands; answers that are to be kept are those of chats."""
    is_cached = any(group.route.cache is not None for group in plan.groups)
    return NATIVE if native.is_spoken_by(plan) and not is_cached else CHAT


def sounding(body: Body) -> dict[str, Any]:
    """Return the least chat that has the same plan as ``body``."""
    said = {name: value for name, value in body.items() if name == "model" or name in options.OWN}
    return {**said, "messages": [{"role": "user", "content": ""}]}
