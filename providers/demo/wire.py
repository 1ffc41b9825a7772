"""The demo model's answers in OpenAI's format, whole and as chunks. Pure; the clock is an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from providers import tokens
from providers.demo import engine
from providers.demo.engine import Said
from providers.demo.vectors import DIMENSIONS, vector
from providers.embeddings import to_base64
from providers.errors import RequestRejected

NO_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def chat(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> dict[str, Any]:
    choices = engine.chat(body, options)
    return {
        **_head(body, "chatcmpl-demo", "chat.completion", now),
        "choices": [
            {
                "index": index,
                "message": _message(said),
                "logprobs": _chat_logprobs(said, body, said.pieces),
                "finish_reason": said.finish_reason,
            }
            for index, said in enumerate(choices)
        ],
        "usage": _usage(engine.prompt_tokens(body), choices),
    }


def chat_chunks(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> Iterator[dict[str, Any]]:
    """Yield a stream's chunks: a role, one chunk for each token, a finish, and the usage where it was asked for."""
    choices = engine.chat(body, options)
    head = _head(body, "chatcmpl-demo", "chat.completion.chunk", now)
    with_usage = _wants_usage(body)

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**head, "choices": [choice], **({"usage": None} if with_usage else {})}

    for index, said in enumerate(choices):
        yield chunk(index, _first_delta(said))
        for piece in said.pieces:
            yield chunk(index, _delta(said, piece), logprobs=_chat_logprobs(said, body, (piece,)))
        yield chunk(index, {}, said.finish_reason)
    if with_usage:
        yield {**head, "choices": [], "usage": _usage(engine.prompt_tokens(body), choices)}


def completion(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> dict[str, Any]:
    choices = engine.completion(body, options)
    return {
        **_head(body, "cmpl-demo", "text_completion", now),
        "choices": [
            {
                "index": index,
                "text": said.text,
                "logprobs": _completion_logprobs(body, said.pieces, 0),
                "finish_reason": said.finish_reason,
            }
            for index, said in enumerate(choices)
        ],
        "usage": _usage(_prompts_tokens(body), choices),
    }


def completion_chunks(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> Iterator[dict[str, Any]]:
    choices = engine.completion(body, options)
    head = _head(body, "cmpl-demo", "text_completion", now)
    usage = {"usage": None} if _wants_usage(body) else {}
    for index, said in enumerate(choices):
        offset = 0
        for piece in said.pieces:
            logprobs = _completion_logprobs(body, (piece,), offset)
            offset += len(piece)
            choice = {"index": index, "text": piece, "logprobs": logprobs, "finish_reason": None}
            yield {**head, "choices": [choice], **usage}
        choice = {"index": index, "text": "", "logprobs": None, "finish_reason": said.finish_reason}
        yield {**head, "choices": [choice], **usage}
    if usage:
        yield {**head, "choices": [], "usage": _usage(_prompts_tokens(body), choices)}


def embeddings(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the vectors. Raises ``RequestRejected`` for more dimensions than there are."""
    dimensions = body.get("dimensions") or DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= DIMENSIONS:
        raise RequestRejected(f"The demo model has 1 to {DIMENSIONS} dimensions.", param="dimensions")
    texts = engine.prompts(body.get("input"))
    put = to_base64 if body.get("encoding_format") == "base64" else list
    used = sum(tokens.count(text) for text in texts)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": put(vector(text, dimensions))}
            for index, text in enumerate(texts)
        ],
        "model": body.get("model"),
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _head(body: Mapping[str, Any], prefix: str, kind: str, now: int) -> dict[str, Any]:
    return {
        "id": f"{prefix}-{engine.fingerprint(body)}",
        "object": kind,
        "created": now,
        "model": body.get("model"),
        "system_fingerprint": "fp_demo",
    }


def _message(said: Said) -> dict[str, Any]:
    if said.call is None:
        return {"role": "assistant", "content": said.text, "refusal": None}
    if said.is_function:
        return {"role": "assistant", "content": None, "refusal": None, "function_call": said.call["function"]}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [said.call]}


def _first_delta(said: Said) -> dict[str, Any]:
    if said.call is None:
        return {"role": "assistant", "content": "", "refusal": None}
    kind = said.call["type"]
    part = "input" if kind == "custom" else "arguments"
    empty = {"name": said.call[kind]["name"], part: ""}
    if said.is_function:
        return {"role": "assistant", "content": None, "function_call": empty}
    call = {"index": 0, "id": said.call["id"], "type": kind, kind: empty}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _delta(said: Said, piece: str) -> dict[str, Any]:
    if said.call is None:
        return {"content": piece}
    if said.is_function:
        return {"function_call": {"arguments": piece}}
    kind = said.call["type"]
    return {"tool_calls": [{"index": 0, kind: {"input" if kind == "custom" else "arguments": piece}}]}


def _wants_usage(body: Mapping[str, Any]) -> bool:
    asked = body.get("stream_options")
    return isinstance(asked, dict) and bool(asked.get("include_usage"))


def _prompts_tokens(body: Mapping[str, Any]) -> int:
    return sum(tokens.count(prompt) for prompt in engine.prompts(body.get("prompt")))


def _usage(prompt: int, choices: list[Said]) -> dict[str, Any]:
    written = sum(len(said.pieces) for said in choices)
    counts = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    return {**counts, **NO_DETAILS}


def _chat_logprobs(said: Said, body: Mapping[str, Any], pieces: tuple[str, ...]) -> dict[str, Any] | None:
    if not body.get("logprobs") or said.call is not None:
        return None
    top = int(body.get("top_logprobs") or 0)
    listed = []
    for piece in pieces:
        rivals = _rivals(piece, top)
        listed.append({**_logprob(piece, rivals[0][1]), "top_logprobs": [_logprob(*rival) for rival in rivals[:top]]})
    return {"content": listed, "refusal": None}


MOST_RIVALS = 20


def _completion_logprobs(body: Mapping[str, Any], pieces: tuple[str, ...], offset: int) -> dict[str, Any] | None:
    wanted = body.get("logprobs")
    if wanted is None or wanted is False:
        return None
    found: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for piece in pieces:
        rivals = _rivals(piece, min(int(wanted), MOST_RIVALS))
        found["tokens"].append(piece)
        found["token_logprobs"].append(rivals[0][1])
        found["top_logprobs"].append(dict(rivals[: min(int(wanted), MOST_RIVALS)]))
        found["text_offset"].append(offset)
        offset += len(piece)
    return dict(found)


def _logprob(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _rivals(piece: str, count: int) -> list[tuple[str, float]]:
    """Return the token with a likelihood, and tokens that might have stood there, each less likely than the last."""
    digest = hashlib.sha256(piece.encode()).digest()
    found = [(piece, -digest[0] / 1024 - 0.001)]
    for rank in range(1, count):
        found.append((f" rival{rank}", round(found[-1][1] - 1 - digest[rank % 32] / 256, 6)))
    return found
