"""Gemini's streams as OpenAI's chunks. Pure but for the time of day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.adapters.gemini_answer import (
    candidates_of,
    finish_reason,
    index_of,
    logprobs_of,
    pieces_of,
    read,
    refuse_broken,
    service_tier,
    usage,
)
from providers.adapters.values import word
from providers.answers import Chunk, Chunks
from providers.sse import Event


class StreamDecoder:
    """Each event is an answer of its own, with what is new. There is no last one: the stream just ends."""

    __slots__ = ("_choices", "_has_answer", "_head", "_told", "_usage", "done")

    def __init__(self) -> None:
        self.done = False
        self._choices: dict[int, _Streamed] = {}
        self._head: Chunks | None = None
        self._has_answer = False
        self._usage: Mapping[str, Any] = {}
        self._told: Mapping[str, Any] = {}

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the event's chunks. Raises ``BadAnswer``, or the error that the event is."""
        if not event.data:
            return ()
        answer = read(event.data, {})
        chunks: list[Chunk] = []
        for at, candidate in enumerate(candidates_of(answer)):
            chunks += self._candidate(at, candidate, answer)
        if told := usage(answer):
            self._usage = {"usage": told, **service_tier(answer)}
        return [*chunks, *self._ending()]

    def _candidate(self, at: int, candidate: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Chunk]:
        index = index_of(at, candidate)
        if self._head is None:
            self._head = Chunks(word(answer.get("modelVersion")), word(answer.get("responseId")))
        if index not in self._choices:
            self._choices[index] = _Streamed(self._head.of_choice(index))
        choice = self._choices[index]
        chunks = list(choice.feed(candidate))
        self._has_answer = self._has_answer or choice.has_answer
        if not self._has_answer:
            refuse_broken([candidate])
        yield from chunks

    def _ending(self) -> Iterator[Chunk]:
        """Yield the usage, which grows until all have finished, and what of it is told after that."""
        if self._head is None or self._usage == self._told:
            return
        if all(choice.is_finished for choice in self._choices.values()):
            self._told = self._usage
            chunk, raw = self._head.usage({})
            yield {**chunk, **self._usage}, raw


class _Streamed:
    """One choice of a stream."""

    __slots__ = ("_chunks", "_has_begun", "has_answer", "is_finished")

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._has_begun = False
        self.has_answer = False
        self.is_finished = False

    def feed(self, candidate: Mapping[str, Any]) -> Iterator[Chunk]:
        if not self._has_begun:
            self._has_begun = True
            yield self._chunks.begin()
        logprobs = logprobs_of(candidate)
        for kind, said in pieces_of(candidate):
            if kind == "call":
                yield self._chunks.call(**said)
            elif kind == "reasoning":
                yield self._chunks.reasoning(said)
            else:
                yield _with(logprobs, self._chunks.text(said))
                logprobs = None
            self.has_answer = self.has_answer or kind != "reasoning"
        if reason := finish_reason(candidate, self._chunks.calls > 0):
            self.is_finished = True
            yield _with(logprobs, self._chunks.finish(reason))


def _with(logprobs: Mapping[str, Any] | None, chunk: Chunk) -> Chunk:
    if logprobs is not None:
        chunk[0]["choices"][0]["logprobs"] = logprobs
    return chunk
