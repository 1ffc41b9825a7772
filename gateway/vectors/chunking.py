"""A text cut into pieces of so many tokens, each beginning with the end of the one before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from providers import tokens

# what is tokenized at once; a stretch without any break is slow only where it is long
STRETCH = 50_000
# how far back a break is looked for
BREAK = 1_000
# a character has four bytes at most, each of which may be a token
LONGEST = 4


def cut(text: str, size: int, overlap: int) -> Iterator[str]:
    """Yield pieces of at most ``size`` tokens, each with the last ``overlap`` of the one before; no blank ones.

    No character is cut apart, so a piece may have up to three tokens less.
    """
    held: list[int] = []
    for ids in map(_ids, stretches(text)):
        held += ids
        while len(held) > size + LONGEST:
            end = _whole(held, size)
            yield from _said(held[:end])
            del held[: _whole(held, end - overlap)]
    while held:
        end = _whole(held, size)
        yield from _said(held[:end])
        del held[: len(held) if end == len(held) else _whole(held, end - overlap)]


def stretches(text: str) -> Iterator[str]:
    """Yield the text in stretches, which end where a line or a word does if there is one."""
    start = 0
    while start < len(text):
        end = min(start + STRETCH, len(text))
        if end < len(text):
            broken = max(text.rfind(mark, end - BREAK, end) for mark in ("\n", " "))
            end = broken if broken > start else end
        yield text[start:end]
        start = end


def _ids(text: str) -> list[int]:
    """Return the tokens of a stretch; of one that the tokenizer gives up on, its bytes."""
    ids = tokens.encode(text)
    if ids is None:
        known = tokens.load()
        ids = [known.encode_single_token(bytes([byte])) for byte in text.encode(errors="replace")]
    return ids


def _whole(ids: list[int], end: int) -> int:
    """Return the last place up to ``end`` that is between two characters."""
    known = tokens.load()
    if end >= len(ids):
        return len(ids)
    while end > 0 and known.decode_single_token_bytes(ids[end])[0] & 0xC0 == 0x80:
        end -= 1
    return end


def _said(ids: list[int]) -> Iterator[str]:
    text = tokens.load().decode_bytes(ids).decode(errors="replace")
    if text.strip():
        yield text
