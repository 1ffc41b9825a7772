"""The tokenizers of services on a machine of one's own: texts to token ids, and back. Pure.

Asked in our words: ``{"input": text}`` or, where the service applies a chat's template, ``{"messages": [...]}``, with
``add_special_tokens``, null for the service's own default; and ``{"tokens": [...]}``. Answered with ``{"tokens",
"count", "max_model_len"?}`` and ``{"text"}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from providers.adapters import openai
from providers.adapters.formats import Format, read, root
from providers.adapters.shapes import Request, Response
from providers.errors import BadAnswer
from providers.parameters import Rule, sent, translated, unsupported
from providers.targets import Target

TOKENIZE, DETOKENIZE = "tokenize", "detokenize"
# Said in the service's words; and what services call a text that they give.
OWN = frozenset({"model", "input", "messages", "tokens"})
TEXTS = ("text", "content", "prompt")
_encode = msgspec.json.Encoder().encode


class Tokenizer(NamedTuple):
    """``paths`` lie at the service's root, to tokens and back. ``text`` is what it calls the text that it is given.

    ``takes_chats``: it applies a chat's template. ``special`` is what it calls ``add_special_tokens``, and ``adds``
    whether it adds them without a word: that models are prompted with them is said where it does not.
    """

    paths: tuple[str, str]
    text: str
    takes_chats: bool = False
    special: str = ""
    adds: bool = True


LLAMACPP = Tokenizer(("/tokenize", "/detokenize"), "content", special="add_special", adds=False)
LLAMA_CPP_PYTHON = Tokenizer(("/extras/tokenize", "/extras/detokenize"), "input")
LOCALAI = Tokenizer(("/v1/tokenize", "/v1/detokenize"), "content")
VLLM = Tokenizer(("/tokenize", "/detokenize"), "prompt", takes_chats=True, special="add_special_tokens")


def formats(tokenizer: Tokenizer, base_url: str) -> dict[str, Format]:
    """Return how a service with this tokenizer is asked; ``base_url`` is where it is without a word."""
    own = sent(add_special_tokens=tokenizer.special) if tokenizer.special else {}
    chats = sent("tools", "chat_template", "chat_template_kwargs", "add_generation_prompt", "continue_final_message")
    knows: Mapping[str, Rule] = own | (chats if tokenizer.takes_chats else {}) | translated("tokens")
    return {
        TOKENIZE: Format(partial(_tokenize, tokenizer, base_url), _tokens, knows),
        DETOKENIZE: Format(partial(_detokenize, tokenizer, base_url), _text, knows),
    }


def _tokenize(tokenizer: Tokenizer, base_url: str, body: Mapping[str, Any], target: Target) -> Request:
    said: dict[str, Any] = {"model": target.upstream_model}
    if tokenizer.special and not tokenizer.adds:
        said[tokenizer.special] = True
    said |= {name: value for name, value in body.items() if name not in OWN}
    if body.get("messages") is None:
        said[tokenizer.text] = body["input"]
    elif tokenizer.takes_chats:
        said["messages"] = body["messages"]
    else:
        raise unsupported("messages", "The model's tokenizer takes a text: how it is told a chat is not known here.")
    said = {name: value for name, value in said.items() if value is not None}
    return Request(root(target, base_url) + tokenizer.paths[0], openai.headers(target), _encode(said))


def _detokenize(tokenizer: Tokenizer, base_url: str, body: Mapping[str, Any], target: Target) -> Request:
    said = {"model": target.upstream_model, "tokens": body["tokens"]}
    return Request(root(target, base_url) + tokenizer.paths[1], openai.headers(target), _encode(said))


def _tokens(response: Response) -> dict[str, Any]:
    answer = read(response)
    tokens = answer.get("tokens")
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise BadAnswer()
    most = answer.get("max_model_len")
    return {"tokens": tokens, "count": len(tokens), **({"max_model_len": most} if type(most) is int else {})}


def _text(response: Response) -> dict[str, Any]:
    answer = read(response)
    texts = [answer[name] for name in TEXTS if isinstance(answer.get(name), str)]
    if not texts:
        raise BadAnswer()
    return {"text": texts[0]}
