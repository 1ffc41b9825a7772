"""Texts cut into pieces of tokens."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.vectors import chunking
from gateway.vectors.chunking import cut, stretches
from providers import tokens


def joined(pieces: list[str]) -> str:
    """Return the text of pieces that share nothing."""
    return "".join(pieces)


words = st.text(st.sampled_from("ab é漢😀\n\t.,"), max_size=3_000)


@settings(max_examples=60)
@given(words, st.integers(100, 200))
def test_nothing_is_lost_where_nothing_is_shared(text: str, size: int) -> None:
    pieces = list(cut(text, size, 0))
    assert joined(pieces).split() == text.split() if len(pieces) > 1 else joined(pieces).strip() == text.strip()
    assert "\ufffd" not in joined(pieces)


@settings(max_examples=60)
@given(words, st.integers(100, 300), st.integers(0, 50))
def test_a_piece_has_no_more_tokens_than_asked(text: str, size: int, overlap: int) -> None:
    for piece in cut(text, size, overlap):
        assert 0 < len(tokens.encode(piece) or ()) <= size + 3  # tokens at the ends may fall apart otherwise


def test_pieces_share_what_was_asked():
    text = " ".join(map(str, range(2_000)))
    pieces = list(cut(text, 100, 40))
    for before, after in pairwise(pieces):
        shared = next(size for size in range(len(after), 0, -1) if before.endswith(after[:size]))
        assert len(tokens.encode(after[:shared])) == 40
    assert pieces[0].startswith("0 1 2")
    assert pieces[-1].endswith("1999")


def test_a_short_text_is_one_piece():
    assert list(cut("A few words.", 800, 400)) == ["A few words."]


def test_blank_text_is_no_piece():
    assert list(cut(" \n" * 5_000, 100, 50)) == []


def test_a_long_text_is_tokenized_in_stretches_that_end_where_words_do(monkeypatch):
    monkeypatch.setattr(chunking, "STRETCH", 2_000)
    text = "word " * 3_000
    assert joined(list(stretches(text))) == text
    assert all(stretch.strip("word ") == "" and len(stretch) <= 2_000 for stretch in stretches(text))
    assert joined(list(cut(text, 500, 0))) == text.rstrip()


@pytest.mark.parametrize("text", ["a" * 120_000, " " * 40 + "x" + " " * 100_000, "漢" * 60_000])
def test_a_text_without_breaks_is_cut_all_the_same(text):
    assert joined(list(cut(text, 4_096, 0))).strip() == text.strip()


def test_a_stretch_that_the_tokenizer_gives_up_on_is_cut_by_its_bytes(monkeypatch):
    monkeypatch.setattr(tokens, "encode", lambda text, vocabulary="": None)
    text = "Straße " * 100
    pieces = list(cut(text, 100, 0))
    assert joined(pieces) == text
    assert len(pieces) == 8
