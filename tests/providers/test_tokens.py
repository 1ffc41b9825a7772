"""Token counts, offline."""

from __future__ import annotations

import hashlib
import lzma

import pytest

from providers import tokens

SENTENCE = "hello world, tokens are counted offline"


@pytest.mark.parametrize(
    ("vocabulary", "ids"),
    [
        ("o200k_base", [24912, 2375, 11, 20290, 553, 60500, 33467]),
        ("cl100k_base", [15339, 1917, 11, 11460, 527, 31094, 27258]),
    ],
)
def test_ids_are_those_of_the_models(vocabulary, ids):
    assert tokens.encode(SENTENCE, vocabulary) == ids
    assert tokens.decode(ids, vocabulary) == SENTENCE
    assert tokens.count(SENTENCE, vocabulary) == len(ids)


@pytest.mark.parametrize("vocabulary", tokens.VOCABULARIES)
def test_the_vocabulary_is_the_one_its_checksum_names(vocabulary):
    data = lzma.decompress((tokens.VENDOR / f"{vocabulary}.tiktoken.xz").read_bytes())
    listed = (tokens.VENDOR / "SHA256SUMS").read_text()
    assert f"{hashlib.sha256(data).hexdigest()}  {vocabulary}.tiktoken" in listed
    assert (tokens.VENDOR / "LICENSE").read_text().startswith("MIT License")


@pytest.mark.parametrize("text", ["", "Hi", "ä€😀 done", "a\n\nb  ", "<|endoftext|>", "日本語", "\ud800"])
def test_pieces_are_the_text(text):
    pieces = tokens.pieces(text)
    assert "".join(pieces) == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert len(pieces) <= tokens.count(text)


def test_special_tokens_in_a_text_are_text():
    assert tokens.count("<|endoftext|>") > 1


def test_a_text_the_tokenizer_gives_up_on_is_estimated():
    text = " " * 2_000_000
    assert tokens.encode(text) is None
    assert tokens.count(text) == 500_000


@pytest.mark.parametrize("text", ["Hi", "word " * 10_000])
async def test_counting_aside_gives_the_same(text):
    assert await tokens.count_aside(text) == tokens.count(text)


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_an_estimate_is_a_quarter_of_the_bytes(size, expected):
    assert tokens.estimate(size) == expected


@pytest.mark.parametrize("unknown", [999_999_999, 2**32, 10**30])
def test_an_unknown_id_reads_as_its_number(unknown: int):
    assert tokens.decode([unknown]) == str(unknown)
