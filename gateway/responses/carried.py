"""What a model thought, as clients carry it from one request to the next in ``encrypted_content``. Pure.

It is how thinking with its signatures comes back to the model that made it, without anything being stored here. What
another service put there cannot be read, and is left to it.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.fieldchecks import Invalid

PREFIX = "tg1."
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Thoughts(NamedTuple):
    """``blocks`` are the model's own, as a chat message has them in ``thinking_blocks``; ``text`` is what they say."""

    text: str = ""
    blocks: Sequence[Mapping[str, Any]] = ()


def packed(thoughts: Thoughts) -> str:
    """Return ``thoughts`` as an ``encrypted_content``."""
    said = {"text": thoughts.text, "blocks": list(thoughts.blocks)}
    return PREFIX + urlsafe_b64encode(_encode({name: value for name, value in said.items() if value})).decode()


def is_ours(content: Any) -> bool:
    return isinstance(content, str) and content.startswith(PREFIX)


def unpacked(content: str, param: str) -> Thoughts:
    """Return the thoughts of an ``encrypted_content`` that ``is_ours``. Raises ``Invalid`` where it is damaged."""
    try:
        said = _decode(urlsafe_b64decode(content.removeprefix(PREFIX).encode()))
        text, blocks = said.get("text", ""), said.get("blocks", [])
        if isinstance(text, str) and isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks):
            return Thoughts(text, tuple(blocks))
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        pass
    raise Invalid(f"Invalid value for '{param}': the encrypted content is damaged.", param, "invalid_encrypted_content")
