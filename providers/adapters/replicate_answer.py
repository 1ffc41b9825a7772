"""Replicate's predictions and their events, as OpenAI's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers import answers
from providers.adapters import failures
from providers.adapters.failures import Said
from providers.adapters.shapes import Response
from providers.answers import Chunk, Chunks
from providers.errors import BadAnswer, ModelMissing, StreamCut, UpstreamError
from providers.sse import Event

GOES_ON = frozenset(("starting", "processing"))
FAILED = frozenset(("failed", "error", "canceled", "aborted"))
_decode = msgspec.json.Decoder().decode


def prediction(response: Response) -> dict[str, Any]:
    """Return the prediction. Raises ``BadAnswer``."""
    said = _read(response.body)
    if not isinstance(said, dict) or not isinstance(said.get("status"), str):
        raise BadAnswer()
    return said


def goes_on(prediction: Mapping[str, Any]) -> bool:
    return prediction["status"] in GOES_ON


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer of a prediction that is over. Raises ``BadAnswer``, or why it failed."""
    said = prediction(response)
    if said["status"] != "succeeded":
        raise _ended(said["status"], said.get("error"))
    return answers.completion(
        id=str(said.get("id") or ""),
        model=str(said.get("model") or ""),
        message=answers.message(_text(said.get("output"))),
        finish_reason="stop",
        usage=_usage(said.get("metrics")),
    ), None


def decode_error(response: Response) -> UpstreamError:
    """Return what a problem (RFC 7807) means: a path is a model's, so what is not found is a model."""
    body = _read(response.body)
    problem = body if isinstance(body, dict) else {}
    fields = problem.get("invalid_fields")
    field = fields[0].get("field") if isinstance(fields, list) and fields and isinstance(fields[0], dict) else None
    words = Said(str(problem.get("detail") or problem.get("title") or ""), param=field)
    if response.status == 404:
        return ModelMissing(words.message or None, param="model", upstream_status=404)
    error = failures.error(response.status, words, response.headers)
    wait = problem.get("retry_after")
    if error.retry_after is None and isinstance(wait, int | float):
        error.retry_after = float(wait)
    return error


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder(str(body.get("model") or ""))


class StreamDecoder:
    """Events are ``output`` with a piece of text, ``logs``, ``error`` and, at the end, ``done``."""

    __slots__ = ("_began", "_chunks", "done")

    def __init__(self, model: str) -> None:
        self.done = self._began = False
        self._chunks = Chunks(model)

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the event's chunks. Raises why the prediction failed."""
        if event.name == b"output":
            return [*self._begin(), self._chunks.text(event.data.decode("utf-8", "replace"))]
        if event.name == b"error":
            self.done = True
            raise _ended("failed", _detail(event.data))
        if event.name == b"done":
            return self._end(event.data)
        return ()

    def _end(self, data: bytes) -> Sequence[Chunk]:
        self.done = True
        told = _read(data)
        reason = str(told.get("reason")) if isinstance(told, dict) else ""
        if reason in FAILED:
            raise _ended(reason, "")
        return [*self._begin(), self._chunks.finish("stop")]

    def _begin(self) -> Sequence[Chunk]:
        if self._began:
            return ()
        self._began = True
        return (self._chunks.begin(),)


def _ended(status: str, why: Any) -> UpstreamError:
    """Return what it means that a prediction ended without an answer."""
    if status not in ("failed", "error"):
        return StreamCut()
    words = Said(str(why or ""))
    return failures.error(400 if failures.TOO_LONG.search(words.message) else 500, words, {})


def _text(output: Any) -> str:
    """Return a model's output, which is a text or its pieces. Raises ``BadAnswer``."""
    pieces = [] if output is None else output if isinstance(output, list) else [output]
    if not all(isinstance(piece, str) for piece in pieces):
        raise BadAnswer()
    return "".join(pieces)


def _usage(metrics: Any) -> dict[str, Any] | None:
    told = metrics if isinstance(metrics, dict) else {}
    prompt, completion = told.get("input_token_count"), told.get("output_token_count")
    return answers.usage(prompt, completion) if type(prompt) is int and type(completion) is int else None


def _detail(data: bytes) -> str:
    told = _read(data)
    return str(told.get("detail") or "") if isinstance(told, dict) else data.decode("utf-8", "replace")


def _read(data: bytes) -> Any:
    """Return what JSON says, None of anything else."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
