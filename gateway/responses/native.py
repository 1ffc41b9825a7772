"""Responses of upstreams that speak them: asked with all that was said before, answered under our own name. Pure.

Nothing is stored over there, so the whole conversation goes along, each thought as the upstream itself has sealed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.fieldchecks import Invalid
from gateway.responses import carried, request
from gateway.responses.answer import Draft
from gateway.responses.events import EventWriter
from gateway.responses.items import kind_of
from gateway.responses.making import Event
from providers.adapters.responses import BEGINNINGS, ENDS, are_spoken_by
from providers.operations import RESPONSES
from providers.plan import Plan

ENCRYPTED = "reasoning.encrypted_content"
# What the gateway does itself.
OURS = frozenset({"background", "conversation", "input", "metadata", "previous_response_id", "prompt", "store"})
# Tools that cost nothing beside their tokens and run on the caller's side.
TOOLS = frozenset(
    {"function", "custom", "namespace", "tool_search", "local_shell", "apply_patch", "computer", "computer_use_preview"}
)
# What an upstream that has stored nothing refuses, or has no word for.
STRANGE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("message", "function_call_output", "custom_tool_call_output", "custom_tool_call"), frozenset({"id", "status"})
    ),
    "function_call": frozenset({"id", "status", "extra_content"}),
}
STRANGE_PARTS: Mapping[str, tuple[str, ...]] = {
    "output_text": ("logprobs",),
    "input_image": ("file_id", "filename"),
    "input_file": ("file_id",),
}


def is_spoken_by(plan: Plan) -> bool:
    """Whether every target that a call may come to speaks Responses."""
    groups = (*plan.groups, *plan.context, *plan.content)
    return all(
        RESPONSES in group.route.operations and all(are_spoken_by(target.provider) for target in group.targets)
        for group in groups
    )


def body(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what an upstream is asked that continues ``items``: what came before, then the input of ``body``.

    Raises ``Invalid`` for tools that run on the upstream's side: what they cost stands in no usage.
    """
    for at, tool in enumerate(body.get("tools") or ()):
        if tool["type"] not in TOOLS:
            raise Invalid(
                f"Tools of type '{tool['type']}' are not supported.", f"tools[{at}].type", "unsupported_value"
            )
    sent = {name: value for name, value in body.items() if name not in OURS and value is not None}
    sent |= request.tags(body) | {"input": list(_input(items, body)), "store": False}
    included = list(body.get("include") or ())
    if ENCRYPTED not in included and _thinks(body, sent["input"]):
        sent["include"] = [*included, ENCRYPTED]
    return sent


def _thinks(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the model is one that thinks, as far as the request shows: others refuse to be asked for thoughts."""
    effort = (body.get("reasoning") or {}).get("effort")
    return effort not in (None, "none") or any(item.get("type") == "reasoning" for item in items)


def _input(items: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    before = request.length_before(body, items)
    for at, item in enumerate(items):
        kind = kind_of(item)
        if kind == "item_reference":
            raise Invalid(f"Item with id '{item['id']}' not found.", request.place(at, before), None)
        if kind != "reasoning":
            yield _plain(item, kind)
        elif item.get("encrypted_content") and not carried.is_ours(item["encrypted_content"]):
            yield {name: item[name] for name in ("type", "summary", "encrypted_content")}


def _plain(item: Mapping[str, Any], kind: str) -> dict[str, Any]:
    strange = STRANGE.get(kind, frozenset())
    plain = {name: value for name, value in item.items() if name not in strange and value is not None}
    if kind == "message" and isinstance(item["content"], list):
        plain["content"] = [_part(part) for part in item["content"]]
    if isinstance(item.get("output"), list):
        plain["output"] = [_part(part) for part in item["output"]]
    return plain


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part without what it was listed with; files come as their data, as their ids are the gateway's."""
    strange = STRANGE_PARTS.get(part["type"], ())
    return {name: value for name, value in part.items() if name not in strange and value is not None}


def adopted(draft: Draft, response: Mapping[str, Any]) -> dict[str, Any]:
    """Return an upstream's Response as the gateway's own: what was asked for is said as the caller has said it."""
    ours = draft.started()
    told = {name: value for name, value in response.items() if name in ours and name not in OWN}
    told["output"] = [_whole(item) for item in response.get("output") or () if isinstance(item, dict)]
    if isinstance(told.get("usage"), dict):
        details = {"cached_tokens": 0, "cache_write_tokens": 0, **(told["usage"].get("input_tokens_details") or {})}
        told["usage"] = {**told["usage"], "input_tokens_details": details}
    return {**ours, **told}


def _whole(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item whose texts have all their fields: some services leave out what is empty."""
    content = item.get("content")
    if item.get("type") != "message" or not isinstance(content, list):
        return dict(item)
    empty: dict[str, Any] = {"annotations": [], "logprobs": []}
    return {**item, "content": [{**empty, **part} if part.get("type") == "output_text" else part for part in content]}


OWN = frozenset(
    {"background", "conversation", "created_at", "id", "instructions", "metadata", "object", "previous_response_id",
     "prompt", "prompt_cache_key", "safety_identifier", "store", "user"}
)  # fmt: skip


class NativeWriter(EventWriter):
    """Passes an upstream's events on, numbered anew; those that hold the Response hold the gateway's own."""

    def __init__(self, draft: Draft, *, is_background: bool = False) -> None:
        super().__init__(draft, is_background=is_background)
        self._items: dict[int, dict[str, Any]] = {}
        self._ended: Event = {}

    def feed(self, chunk: Mapping[str, Any]) -> list[Event]:
        """Return what an event says to the caller; the last one is kept for ``end``."""
        kind = chunk.get("type")
        if kind in BEGINNINGS:
            return []
        if kind in ENDS:
            self._ended = dict(chunk)
            return []
        if kind in ITEMS and isinstance(chunk.get("item"), dict):
            self._items[chunk.get("output_index", len(self._items))] = chunk["item"]
        return self._numbered([dict(chunk)])

    def items(self) -> list[dict[str, Any]]:
        return [self._items[at] for at in sorted(self._items)]

    def end(self) -> list[Event]:
        """Return the event that has the whole Response."""
        kind = self._ended["type"]
        self.response = {**adopted(self._draft, self._ended["response"]), "status": kind.removeprefix("response.")}
        return self._numbered([{"type": kind, "response": self.response}])


ITEMS = ("response.output_item.added", "response.output_item.done")
