"""Which models are counted exactly, and what the tokenizer is spared."""

from __future__ import annotations

import threading

import pytest

from providers import tokens
from providers.vocabularies import vocabulary_of


@pytest.mark.parametrize(
    ("adapter", "model", "vocabulary"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "o200k_base"), ("azure", "gpt-5.1", "o200k_base"),
        ("openai", "gpt-4-turbo", "cl100k_base"), ("azure", "gpt-35-turbo", "cl100k_base"),
        ("openai", "text-embedding-3-small", "cl100k_base"), ("demo", "anything", "o200k_base"),
        ("openai", "llama-3", None), ("openrouter", "openai/gpt-4o", None), ("anthropic", "claude-sonnet-5", None),
        ("openai", "", None),
    ],
)  # fmt: skip
def test_a_models_vocabulary(adapter, model, vocabulary):
    assert vocabulary_of(adapter, model) == vocabulary
    assert vocabulary is None or vocabulary in tokens.VOCABULARIES


# text, its tokens in o200k_base, in cl100k_base: as npm's gpt-tokenizer 4.0 counts them
TABLE = [
    ("", 0, 0),
    ("Hello, world!", 4, 4),
    ("Fünf Füchse fressen Äpfel.", 12, 14),
    ("L’été, où est passé l’hiver ?", 9, 11),
    ("Привет, как дела?", 6, 8),
    ("日本語の文章です。", 6, 8),
    ("你好，世界！今天天气怎么样？", 9, 17),
    ("안녕하세요 세계", 3, 9),
    ("مرحبا بالعالم", 4, 10),
    ("नमस्ते दुनिया", 5, 13),
    ("def f(x):\n    return x ** 2  # square\n", 14, 14),
    ("👩‍👩‍👧‍👦 and 🇺🇳", 16, 25),
    ("    \n\n\t  end", 3, 3),
    ("1234567890 3.14159", 9, 9),
    ("<|endoftext|>", 7, 7),
]


@pytest.mark.parametrize(("text", "newer", "older"), TABLE)
def test_counts_are_those_of_another_implementation(text, newer, older):
    assert (tokens.count(text, "o200k_base"), tokens.count(text, "cl100k_base")) == (newer, older)
    for vocabulary in tokens.VOCABULARIES:
        assert tokens.text_of(tokens.encode(text, vocabulary), vocabulary) == text


MEGABYTES = 5_000_000


@pytest.mark.parametrize(
    "text",
    [" " * MEGABYTES, "a" * MEGABYTES, "A" * MEGABYTES, "." * MEGABYTES, "\n" * MEGABYTES, "_" * MEGABYTES,
     "中" * (MEGABYTES // 3), "word " * 2_000_000],
    ids=["spaces", "a", "A", "dots", "lines", "underscores", "one character", "too long"],
)  # fmt: skip
def test_what_would_take_seconds_is_not_counted_but_estimated(text):
    assert not tokens.is_countable(text)
    assert tokens.encode(text) is None
    assert tokens.count(text) == tokens.estimate(len(text.encode()))


@pytest.mark.parametrize(
    "text",
    ["The quick brown fox. " * 240_000, "a" * 400_000, " " * 400_000, "7" * MEGABYTES, "aGVsbG8gd29ybGQ9" * 300_000],
    ids=["prose", "some letters", "some spaces", "digits", "base64"],
)
def test_what_is_long_and_has_breaks_is_counted(text):
    assert tokens.is_countable(text)


@pytest.mark.parametrize(("ids", "position"), [([999_999_999], 0), ([24912, -1], 1), ([24912, 2375, 2**70], 2)])
def test_an_id_that_nobody_has_is_named_by_its_place(ids, position):
    with pytest.raises(tokens.UnknownToken) as caught:
        tokens.text_of(ids)
    assert caught.value.position == position


def test_half_a_character_reads_as_a_replacement():
    (first, *_) = tokens.encode("🦩")
    assert tokens.text_of([first]) == "\ufffd"


async def test_what_takes_long_has_threads_of_its_own():
    assert (await tokens.aside(threading.current_thread)).name.startswith("tokens")
