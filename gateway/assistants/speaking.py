"""What a model says in one answer, as a run's message and its calls of tools: step by step, told and whole. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.assistants.citing import Citations, Known
from gateway.assistants.offering import CODE_INTERPRETER, FILE_SEARCH
from gateway.responses import heard

Event = tuple[str, dict[str, Any]]


class Handles(NamedTuple):
    """What things will be called that may come of the answer: a message, its step and that of calls, or those only."""

    message: str
    first: str
    second: str


class Begun(NamedTuple):
    """A step has begun: of the message, or of calls."""

    type: str
    step: str


class Told(NamedTuple):
    """Something is new in what has begun last."""

    event: Event


class Ended(NamedTuple):
    """The message is whole, and its step done: calls follow."""


Act = Begun | Told | Ended
MESSAGE, CALLS = "message_creation", "tool_calls"


class Speech:
    """Takes the chunks of a chat answer. ``acts`` are what comes of them, in order, until somebody takes them away.

    ``ours`` are the kinds of tools by the names that the model knows them by; ``known`` what it may cite; ``taken`` the
    ids that calls of this run have; ``pictures`` the files that the message shows before it says anything. Texts that
    follow a call are for the model alone: that call's step is open.
    """

    def __init__(
        self,
        handles: Handles,
        ours: Mapping[str, str],
        known: Known,
        taken: Collection[str] = frozenset(),
        pictures: Sequence[str] = (),
    ) -> None:
        self.acts: list[Act] = []
        self.finish_reason = ""
        self._handles, self._ours, self._known = handles, ours, known
        self._taken, self._pictures = set(taken), pictures
        self._parts: list[_Part] = []
        self._is_message_open = False
        self._calls: dict[int, _Call] = {}
        self._told: list[_Call] = []
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._blocks: list[dict[str, Any]] = []

    @property
    def has_called(self) -> bool:
        return bool(self._calls)

    @property
    def has_message(self) -> bool:
        return bool(self._parts)

    @property
    def is_message_open(self) -> bool:
        return self._is_message_open

    @property
    def calls_step(self) -> str:
        return self._handles.second if self.has_message else self._handles.first

    def take(self) -> list[Act]:
        acts, self.acts = self.acts, []
        return acts

    def feed(self, chunk: Mapping[str, Any]) -> None:
        """Take a chunk; only its first choice counts."""
        for choice in heard.objects(chunk.get("choices")):
            if choice.get("index", 0) == 0:
                self._take(heard.mapping(choice.get("delta")))
                self.finish_reason = heard.text(choice.get("finish_reason")) or self.finish_reason

    def end(self) -> None:
        """Note that nothing more comes."""
        for call in [call for call in self._calls.values() if not call.is_told]:
            self._begin_call(call)
        if not self._calls and not self._parts:
            self._say("text", "")
        if self._is_message_open:
            self._annotate(is_whole=True)

    def content(self) -> list[dict[str, Any]]:
        """Return the message's content as it stands."""
        return [part.shown() for part in self._parts]

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls as a step's details have them, nothing having come of them yet."""
        return [call.shown() for call in self._told]

    def arguments(self, id: str) -> str:
        """Return the arguments of a call."""
        return next(call.arguments for call in self._told if call.id == id)

    def message(self) -> dict[str, Any]:
        """Return the answer as the model wants it back with the results of its calls."""
        thoughts = {"reasoning_content": "".join(self._thoughts), "thinking_blocks": self._blocks}
        return {
            "role": "assistant",
            "content": "".join(self._texts) or None,
            **{name: value for name, value in thoughts.items() if value},
            "tool_calls": [call.told_back() for call in self._told],
        }

    def _take(self, delta: Mapping[str, Any]) -> None:
        if text := heard.text(delta.get("reasoning_content") or delta.get("reasoning")):
            self._thoughts.append(text)
        self._blocks += [
            {name: value for name, value in block.items() if name != "index"}
            for block in heard.objects(delta.get("thinking_blocks"))
        ]
        if text := heard.text(delta.get("content")):
            self._texts.append(text)
            self._say("text", text)
        if text := heard.text(delta.get("refusal")):
            self._say("refusal", text)
        for position, call in enumerate(heard.objects(delta.get("tool_calls"))):
            index = call.get("index")
            self._hear_call(call, index if type(index) is int else position)

    # the message ----------------------------------------------------------------------------------------------------

    def _say(self, kind: str, text: str) -> None:
        if self._calls:
            return
        if not self._is_message_open:
            self._is_message_open = True
            self.acts.append(Begun(MESSAGE, self._handles.first))
            self._show()
        if not self._parts or self._parts[-1].kind != kind:
            self._annotate(is_whole=True)
            self._parts.append(_Part(kind, Citations(self._known)))
        part = self._parts[-1]
        is_first = not part.text
        part.text += text
        self._tell_part(part.delta(text, is_first=is_first))
        self._annotate()

    def _show(self) -> None:
        for picture in self._pictures:
            self._parts.append(_Part("image_file", Citations({}), picture))
            self._tell_part(self._parts[-1].shown())

    def _annotate(self, *, is_whole: bool = False) -> None:
        if not self._parts or self._parts[-1].kind != "text":
            return
        part = self._parts[-1]
        for annotation in part.citations.found(part.text, is_whole=is_whole):
            at = len(part.annotations)
            part.annotations.append(annotation)
            self._tell_part({"type": "text", "text": {"annotations": [{"index": at, **annotation}]}})

    def _tell_part(self, delta: dict[str, Any]) -> None:
        content = [{"index": len(self._parts) - 1, **delta}]
        data = {"id": self._handles.message, "object": "thread.message.delta", "delta": {"content": content}}
        self.acts.append(Told(("thread.message.delta", data)))

    # the calls ------------------------------------------------------------------------------------------------------

    def _hear_call(self, delta: Mapping[str, Any], index: int) -> None:
        """Take a piece of a call; what comes before its name waits for that."""
        if index not in self._calls:
            self._end_message()
            self._calls[index] = _Call()
            if len(self._calls) == 1:
                self.acts.append(Begun(CALLS, self.calls_step))
        call = self._calls[index]
        function = heard.mapping(delta.get("function"))
        text = heard.text(function.get("arguments"))
        call.arguments += text
        if call.is_told:
            self._tell_arguments(call, text)
            return
        call.id = call.id or heard.text(delta.get("id"))
        call.extra = delta.get("extra_content") or call.extra
        call.name = heard.text(function.get("name"))
        if call.name:
            self._begin_call(call)

    def _begin_call(self, call: _Call) -> None:
        call.is_told, call.index = True, len(self._told)
        self._told.append(call)
        call.kind = self._ours.get(call.name, "function")
        if not call.id or call.id in self._taken:
            call.id = f"call_{self.calls_step.removeprefix('step_')}{call.index:02x}"
        self._taken.add(call.id)
        self._tell_call({"index": call.index, **call.begun()})
        self._tell_arguments(call, call.arguments)

    def _tell_arguments(self, call: _Call, text: str) -> None:
        """Of what is executed here the arguments are no part of the step: what came of it will be."""
        if text and call.kind == "function":
            self._tell_call({"index": call.index, "type": "function", "function": {"arguments": text}})

    def _tell_call(self, call: dict[str, Any]) -> None:
        self.acts.append(Told(calls_delta(self.calls_step, [call])))

    def _end_message(self) -> None:
        if self._is_message_open:
            self._annotate(is_whole=True)
            self._is_message_open = False
            self.acts.append(Ended())


def calls_delta(step: str, calls: list[dict[str, Any]]) -> Event:
    """Return the event that says what is new of a step's calls; each of them has its ``index``."""
    details = {"type": CALLS, CALLS: calls}
    data = {"id": step, "object": "thread.run.step.delta", "delta": {"step_details": details}}
    return "thread.run.step.delta", data


class _Part:
    """A part of the message: a text with its annotations, a refusal, or the file of a picture."""

    def __init__(self, kind: str, citations: Citations, text: str = "") -> None:
        self.kind = kind
        self.text = text
        self.annotations: list[dict[str, Any]] = []
        self.citations = citations

    def delta(self, text: str, *, is_first: bool) -> dict[str, Any]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "text", "text": {"value": text, **({"annotations": []} if is_first else {})}}

    def shown(self) -> dict[str, Any]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        if self.kind == "image_file":
            return {"type": "image_file", "image_file": {"file_id": self.text}}
        return {"type": "text", "text": {"value": self.text, "annotations": list(self.annotations)}}


class _Call:
    """A call of a tool; ``extra`` is what its model wants back with it."""

    def __init__(self) -> None:
        self.index = 0
        self.id = self.name = self.arguments = ""
        self.kind = "function"
        self.extra: Any = None
        self.is_told = False

    def begun(self) -> dict[str, Any]:
        if self.kind == "function":
            said: dict[str, Any] = {"name": self.name, "arguments": "", "output": None}
        else:
            said = dict(NOTHING[self.kind])
        return {"id": self.id, "type": self.kind, self.kind: said}

    def shown(self) -> dict[str, Any]:
        begun = self.begun()
        if self.kind == "function":
            begun["function"]["arguments"] = self.arguments
        return begun

    def told_back(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.arguments or "{}"}
        extra = {"extra_content": self.extra} if self.extra else {}
        return {"id": self.id, "type": "function", "function": function, **extra}


NOTHING: Mapping[str, Mapping[str, Any]] = {FILE_SEARCH: {}, CODE_INTERPRETER: {"input": "", "outputs": []}}
