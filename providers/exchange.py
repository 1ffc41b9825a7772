"""One call to one target: what is asked, and how its answer becomes what the caller asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from providers import embeddings, functions, normalise, parameters, plainly, reranking, transcripts
from providers import quirks as peculiarities
from providers.adapters import ADAPTERS, openai
from providers.adapters.responses import ResponseReader
from providers.adapters.shapes import Decoder, Follow, Framing, Request, Response
from providers.chunks import Chunk
from providers.errors import BadAnswer, RequestRejected, StreamCut, UpstreamError
from providers.normalise import Normaliser, Verdict
from providers.operations import HEARD, IMAGES, MEDIA, RESPONSES, SPEECH
from providers.sse import Event, Splitter
from providers.streamed import ByteReader, EventReader, Reader
from providers.targets import Target
from providers.translated import Translated

# What reading an answer or a body raises whose parts are of the wrong kind: a list where an object should be, no
# number, one that is too large, too much within too much …
MISSHAPEN = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)
UNSAYABLE = "A part of the request is not of the kind that it should be: the model's provider cannot be asked."
# How encoders write the key that stands on every chunk once usage was asked for.
NULL_USAGE = (b',"usage":null', b', "usage": null')
SAID = frozenset(("content", "refusal", "reasoning_content", "reasoning"))
# Whose answers are choices.
SPOKEN = ("chat.completions", "completions")


class Exchange:
    """A caller's body on its way to one target and back. ``dropped`` are the parameters that it could not be told.

    ``content_type`` is that of the answer's bytes, once it is read.
    """

    def __init__(self, operation: str, body: Mapping[str, Any], target: Target) -> None:
        self.adapter = ADAPTERS[target.provider.adapter]
        self.operation, self.body, self.target = operation, body, target
        self.dropped: tuple[str, ...] = ()
        self.content_type = transcripts.JSON
        self._followed = 0
        self._cancel: Request | None = None
        quirks = target.provider.quirks
        self._rules = self.adapter.parameters.get(operation)
        says_tools = quirks.get("functions") == "translate" or self._rules is not None
        self._translates_functions = says_tools and functions.are_used(body)
        self._floats_only = operation == "embeddings" and quirks.get("encoding_format") == "floats_only"
        self._hearing = peculiarities.hearing(quirks)

    @property
    def has_events(self) -> bool:
        """Whether streams are server-sent events, which a plain answer can be told from."""
        return self.adapter.framing is Splitter and self.operation != SPEECH

    def request(self, now: datetime) -> Request:
        """Return what to send. Raises ``RequestRejected`` where it cannot be said in the target's words."""
        try:
            request = self._encoded()
        except MISSHAPEN as error:
            raise RequestRejected(UNSAYABLE) from error
        return self.signed(request, now)

    def _encoded(self) -> Request:
        body = self.body
        if self._translates_functions:
            self._need_tools()
            body = functions.to_tools(body)
        if self._floats_only:
            body = {name: value for name, value in body.items() if name != "encoding_format"}
        fitted = self._told_plainly(body) if isinstance(body, Translated) else self._fitted(body)
        return self.adapter.encode(self.operation, fitted, self.target)

    def _told_plainly(self, body: Translated) -> Mapping[str, Any]:
        """Return what the target can be told of a body of another dialect, which stays beside it."""
        plain = plainly.told(body, self.adapter, self.target)
        fitted = self._fitted(plain.body)
        self.dropped = (*plain.dropped, *self.dropped)
        return Translated(fitted, body.original)

    def signed(self, request: Request, now: datetime) -> Request:
        return self.adapter.sign(request, self.target, now) if self.adapter.sign is not None else request

    def follow(self, response: Response) -> Follow | None:
        """Return what is to be asked next, where ``response`` is not the answer yet. Raises ``UpstreamError``."""
        if self.adapter.follow is None or not is_good(response):
            return None
        try:
            follow = self.adapter.follow(self.operation, self.body, response, self.target, self._followed)
        except MISSHAPEN as error:
            raise BadAnswer() from error
        self._followed += 1
        return follow

    def cancel(self, response: Response) -> Request | None:
        """Return, once, what ends the work that ``response`` told of, where something goes on over there."""
        if self.adapter.cancel is None or not is_good(response):
            return None
        try:
            request = self.adapter.cancel(response, self.target)
        except (UpstreamError, *MISSHAPEN):
            return None  # what is wrong with the response is said where it is followed or read
        if request == self._cancel:
            return None
        self._cancel = request
        return request

    def _need_tools(self) -> None:
        """Refuse functions by the name that the caller knows them by."""
        said = self.target.provider.quirks.get("parameters", {})
        for name, tool in (("functions", "tools"), ("function_call", "tool_choice")):
            if self.body.get(name) and parameters.rule_of(tool, self._rules, said) is None:
                raise parameters.unsupported(name)

    def _fitted(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what of ``body`` this upstream can be told."""
        quirks = self.target.provider.quirks
        said = quirks.get("parameters")
        if self.adapter.unknown is not None:
            said = dict.fromkeys(self.adapter.unknown(body, self.target), False) | (said or {})
        dropped: tuple[str, ...] = ()
        if self._rules is not None or said or not parameters.OWN.isdisjoint(body):
            fitted = parameters.fit(body, self._rules, said or {}, refuses=self.target.refuses)
            body, dropped = fitted.body, tuple(name for name in fitted.dropped if name in self.body)
        if quirks:
            body, withheld = peculiarities.told(body, quirks)
            dropped += withheld
        self.dropped = dropped
        return body

    def answer(self, response: Response) -> tuple[dict[str, Any], bytes | None]:
        """Return the answer, and its bytes where nothing had to be changed. Raises ``UpstreamError``."""
        if not is_good(response):
            raise self.adapter.decode_error(response)
        try:
            answer, raw = self.adapter.decode(self.operation, response)
            if self.operation in MEDIA:
                return answer, self._as_asked(answer, raw, response)
            return answer, None if self._fit(answer) else raw
        except MISSHAPEN as error:
            raise BadAnswer() from error

    def _as_asked(self, answer: dict[str, Any], raw: bytes | None, response: Response) -> bytes | None:
        """Return the bytes of an answer about pictures or sound: a transcript in words has no JSON."""
        form = self.body.get("response_format")
        if self.operation not in HEARD:
            return raw
        if form not in transcripts.WORDS:
            return raw if openai.is_json(response) else None
        self.content_type = transcripts.TEXT
        return transcripts.written(answer, form) if raw is None or openai.is_json(response) else raw

    @property
    def wants_data(self) -> bool:
        """Whether the caller wants the data of pictures, not where they are."""
        return self.operation in IMAGES and self.body.get("response_format") == "b64_json"

    def _fit(self, answer: dict[str, Any]) -> bool:
        """Make the answer what the caller asked for, in place; return whether that changed it."""
        changed = bool(self._hearing) and peculiarities.heard(answer, self._hearing)
        if not answer.get("model"):
            answer["model"] = self.target.upstream_model
            changed = True
        if self.operation == "embeddings":
            return embeddings.recode(answer, self.body.get("encoding_format")) or changed
        if self.operation == "rerank":
            return reranking.finished(answer, self.body)
        if self.operation not in SPOKEN:
            return changed
        changed = normalise.plain(answer) or changed
        return functions.from_tools(answer) or changed if self._translates_functions else changed

    def reader(self, content_type: str = "") -> Reader:
        """Return what reads a stream whose head says that it is of ``content_type``."""
        if self.operation in MEDIA:
            return self._media_reader(content_type)
        if self.operation == RESPONSES:
            return ResponseReader()
        decoder = self.adapter.decode_stream(self.operation, self.body)
        framing = self.adapter.framing()
        return StreamReader(
            self.operation,
            self.body,
            framing,
            decoder,
            self._translates_functions,
            self._hearing,
            self.target.upstream_model,
        )

    def _media_reader(self, content_type: str) -> Reader:
        """Raises ``BadAnswer`` where events were asked for and sound came, or a page where a sound should be."""
        if self.operation != SPEECH or "event-stream" in content_type:
            return EventReader()
        if self.body.get("stream_format") == "sse" or openai.is_page(content_type):
            raise BadAnswer()
        return ByteReader()


class StreamReader:
    """Turns the bytes of a stream into chunks. After an error ``error`` stands, and the chunks before it are whole."""

    def __init__(
        self,
        operation: str,
        body: Mapping[str, Any],
        framing: Framing,
        decoder: Decoder,
        translates_functions: bool,
        hearing: peculiarities.Hearing = (),
        model: str = "",
    ) -> None:
        self.error: UpstreamError | None = None
        self._framing = framing
        self._decoder = decoder
        self._hearing = hearing
        self._model = model
        self._normaliser = Normaliser(is_chat=operation == "chat.completions")
        self._functions = functions.StreamTranslator() if translates_functions else None
        options = body.get("stream_options")
        self._usage_wanted = isinstance(options, dict) and bool(options.get("include_usage"))
        self._last: dict[str, Any] = {}

    @property
    def done(self) -> bool:
        """Whether there is nothing more to read."""
        return self._decoder.done or self.error is not None

    @property
    def finished(self) -> bool:
        """Whether every choice has been told to its end."""
        return self._decoder.done or self._normaliser.finished

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks that ``data`` completed."""
        try:
            events = self._framing.feed(data)
        except ValueError:
            self.error = BadAnswer()
            return []
        return self._chunks(events)

    def close(self) -> list[Chunk]:
        """Return what was left when the upstream hung up; ``error`` then says whether that was too early."""
        failed_before = self.error is not None
        events, is_damaged = self._left_over()
        chunks = self._chunks(events)
        if isinstance(self.error, BadAnswer) and not failed_before:
            self.error = None  # half an event is none
        if self.error is None and is_damaged:
            self.error = BadAnswer()
        if self.error is None and not self.finished:
            self.error = StreamCut()
        return chunks

    def _left_over(self) -> tuple[list[Event], bool]:
        """Return the last events, and whether something damaged stands where the next would."""
        try:
            return self._framing.close(), False
        except ValueError:
            return [], True

    def _chunks(self, events: list[Event]) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for event in events:
                for parsed, raw in self._decoder.feed(event):
                    chunks.append(self._chunk(parsed, raw))
        except UpstreamError as error:
            self.error = error
        except MISSHAPEN:
            self.error = BadAnswer()
        if self._decoder.done and self.error is None:
            chunks += self._endings()
        return chunks

    def _chunk(self, data: dict[str, Any], raw: bytes | None) -> Chunk:
        if self._hearing and peculiarities.heard(data, self._hearing):
            raw = None
        if raw is None and not data.get("model"):
            data["model"] = self._model
        usage = data.get("usage")
        verdict = self._normaliser.feed(data)
        if verdict is Verdict.DROPPED:
            return Chunk(data, b"", usage)
        if verdict is Verdict.CHANGED:
            raw = None
        if self._functions is not None and self._functions.feed(data):
            raw = None
        if not self._usage_wanted and "usage" in data:
            raw = _without_usage(data, raw)
        self._last = data
        return Chunk(data, raw, usage, _said(data))

    def _endings(self) -> list[Chunk]:
        choices = self._normaliser.missing_ends()
        if not choices:
            return []
        kept = {name: value for name, value in self._last.items() if name not in ("choices", "usage")}
        return [self._chunk({**kept, "choices": choices}, None)]


def is_good(response: Response) -> bool:
    return 200 <= response.status < 300


def _without_usage(data: dict[str, Any], raw: bytes | None) -> bytes | None:
    """Take the usage that only the gateway asked for out of a chunk, from its bytes where that is safe."""
    usage = data.pop("usage")
    if usage is not None and not data.get("choices"):
        return b""
    if usage is None and raw is not None:
        for spelling in NULL_USAGE:
            before, found, after = raw.partition(spelling)
            if found and spelling not in after:
                return before + after
    return None


def _said(data: dict[str, Any]) -> str:
    choices: list[dict[str, Any]] = data.get("choices") or []
    if len(choices) == 1:
        delta = choices[0].get("delta")
        if delta and len(delta) == 1 and type(text := delta.get("content")) is str:
            return text
    pieces: list[Any] = []
    for choice in choices:
        delta = choice.get("delta")
        if delta is None:
            pieces.append(choice.get("text"))
            continue
        for name, value in delta.items():
            if name == "tool_calls":
                for call in value or ():
                    pieces += (call.get("function") or call.get("custom") or {}).values()
            elif name == "function_call":
                pieces += (value or {}).values()
            elif name in SAID:
                pieces.append(value)
    return "".join([piece for piece in pieces if isinstance(piece, str)])
