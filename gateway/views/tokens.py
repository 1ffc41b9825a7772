"""Tokens of texts: /extras/tokenize, /count and /extras/detokenize, and /tokenize and /detokenize of other servers."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from gateway import tokenizing
from gateway.replies import JSON, Reply
from gateway.token_body import to_detokenize, to_tokenize
from gateway.tokenizing import Counted
from gateway.views.api import ApiView, inquiry_of
from providers import tokens

ESTIMATED = ("x-tollgate-estimated", "true")


class _TokenView(ApiView):
    calls_models = True


class ExtrasTokenize(_TokenView):
    """The ids of a text's tokens, in llama-cpp-python's words."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        inquiry.body = to_tokenize(inquiry.body)
        found = await tokenizing.tokenized(inquiry)
        return await _reply({"tokens": found.ids}, found.headers)


class ExtrasCount(_TokenView):
    """How many tokens a text is; where nobody knows, an estimate that says so."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        inquiry.body = to_tokenize(inquiry.body)
        found = await tokenizing.counted(inquiry)
        if found.is_estimated:
            return await _reply({"count": found.count, "estimated": True}, [*found.headers, ESTIMATED])
        return await _reply({"count": found.count}, found.headers)


class ExtrasDetokenize(_TokenView):
    """The text of token ids, in llama-cpp-python's words."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        inquiry.body = to_detokenize(inquiry.body)
        found = await tokenizing.detokenized(inquiry)
        return await _reply({"text": found.text}, found.headers)


class Tokenize(_TokenView):
    """The tokens of a text, under the names that clients of vLLM, llama.cpp and LocalAI look for."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        asked = inquiry.body
        inquiry.body = to_tokenize(asked)
        wants_strings, wants_pieces = asked.get("return_token_strs") is True, asked.get("with_pieces") is True
        found = await tokenizing.tokenized(inquiry, with_pieces=wants_strings or wants_pieces)
        return await _reply(_told(found, wants_pieces=wants_pieces, wants_strings=wants_strings), found.headers)


class Detokenize(_TokenView):
    """The text of token ids, under each of the names that clients look for."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        inquiry.body = to_detokenize(inquiry.body)
        found = await tokenizing.detokenized(inquiry)
        return await _reply(dict.fromkeys(("prompt", "content", "text"), found.text), found.headers)


def _told(found: Counted, *, wants_pieces: bool, wants_strings: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"count": found.count, "max_model_len": found.most, "tokens": found.ids}
    if found.pieces is None:
        return told
    if wants_strings:
        told["token_strs"] = [piece.decode(errors="replace") for piece in found.pieces]
    if wants_pieces:
        told["tokens"] = [{"id": id, "piece": _piece(piece)} for id, piece in zip(found.ids, found.pieces, strict=True)]
    return told


def _piece(piece: bytes) -> str | list[int]:
    """Return a token as llama.cpp tells it: its text, else its bytes."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)


async def _reply(told: dict[str, Any], headers: list[tuple[str, str]]) -> Reply:
    """Return the answer; millions of ids are written aside."""
    reply = await tokens.aside(Reply.json, told) if _is_long(told) else Reply.json(told)
    return Reply(reply.body, [JSON, *headers])


def _is_long(told: dict[str, Any]) -> bool:
    return any(isinstance(value, list | str) and len(value) > tokens.LONG_TEXT for value in told.values())
