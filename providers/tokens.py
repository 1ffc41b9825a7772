"""How many tokens a text is, offline: tiktoken over vocabularies that ship with the package."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import lzma
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

import tiktoken

VENDOR = Path(__file__).parent / "vendor" / "gpt-tokenizer-4.0.0"
BYTES_PER_TOKEN = 4
# Above this many characters counting takes a millisecond and more, so it leaves the event loop.
LONG_TEXT = 20_000
# What is longer than this is not counted exactly, nor is a text with more than this of stretches without a break (of
# letters, spaces or signs only): the tokenizer needs seconds for a million of those, and gives up on spaces.
MOST_TEXT = 6_000_000
MOST_UNBROKEN = 400_000
# Long texts wait for each other here, and nothing else does.
THREADS = 2

P = ParamSpec("P")
T = TypeVar("T")

_LETTER_RUN = r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"


class Vocabulary(NamedTuple):
    """``sha256`` is of the unpacked file, and is the one tiktoken itself expects."""

    sha256: str
    pattern: str
    special: dict[str, int]


VOCABULARIES = {
    "o200k_base": Vocabulary(
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "|".join(
            (
                f"{_LETTER_RUN}[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}",
                f"{_LETTER_RUN}[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            )
        ),
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    "cl100k_base": Vocabulary(
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "|".join(
            (
                r"'(?i:[sdmt]|ll|ve|re)",
                r"[^\r\n\p{L}\p{N}]?+\p{L}++",
                r"\p{N}{1,3}+",
                r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
                r"\s++$",
                r"\s*[\r\n]",
                r"\s+(?!\S)",
                r"\s",
            )
        ),
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}
DEFAULT = "o200k_base"
_loading = threading.Lock()
_aside = ThreadPoolExecutor(THREADS, thread_name_prefix="tokens")
_STRETCH = 4096
_UNBROKEN = re.compile(r"[^\W\d_]++|\s++|[^\w\s]++|_++")


class VocabularyDamaged(Exception):
    """A vendored vocabulary is not the file that its checksum names."""


class UnknownToken(ValueError):
    """The vocabulary has no token of this id; ``position`` is where it stands."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def count(text: str, vocabulary: str = DEFAULT) -> int:
    """Return the number of tokens of ``text``; the first call takes a third of a second to load."""
    ids = encode(text, vocabulary)
    return estimate(len(text.encode(errors="replace"))) if ids is None else len(ids)


async def count_aside(text: str, vocabulary: str = DEFAULT) -> int:
    """Return ``count(text)`` without holding up the event loop for long texts, or for loading."""
    if len(text) <= LONG_TEXT and is_loaded(vocabulary):
        return count(text, vocabulary)
    return await aside(count, text, vocabulary)


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` returns, done in one of a few threads for what takes long."""
    return await asyncio.get_running_loop().run_in_executor(_aside, partial(work, *args, **kwargs))


def estimate(text_bytes: int) -> int:
    """Return roughly how many tokens so many bytes of text are."""
    return -(-text_bytes // BYTES_PER_TOKEN)


def encode(text: str, vocabulary: str = DEFAULT) -> list[int] | None:
    """Return the token ids, None for the rare text that takes too long, or that the tokenizer gives up on.

    Special tokens count as text.
    """
    if not is_countable(text):
        return None
    try:
        return load(vocabulary).encode_ordinary(text)
    except ValueError:  # its regex engine has a limit
        return None
    except BaseException as error:  # Rust panics come as a BaseException of their own
        if type(error).__name__ == "PanicException":
            return None
        raise


def is_countable(text: str) -> bool:
    """Whether the tokenizer is done with ``text`` in about a second."""
    if len(text) <= MOST_UNBROKEN:
        return True
    stretches = range(0, len(text), _STRETCH)
    unbroken = sum(_UNBROKEN.fullmatch(text, at, at + _STRETCH) is not None for at in stretches)
    return len(text) <= MOST_TEXT and unbroken * _STRETCH <= MOST_UNBROKEN


def pieces(text: str, vocabulary: str = DEFAULT) -> list[str]:
    """Return the texts of the tokens; those that only together are a character stay together."""
    found, open_bytes = [], b""
    for token in load(vocabulary).decode_tokens_bytes(encode(text, vocabulary) or []):
        open_bytes += token
        try:
            found.append(open_bytes.decode())
        except UnicodeDecodeError:
            continue
        open_bytes = b""
    return [*found, open_bytes.decode(errors="replace")] if open_bytes else found


def pieces_of(ids: list[int], vocabulary: str = DEFAULT) -> list[bytes]:
    """Return the bytes of each token."""
    return load(vocabulary).decode_tokens_bytes(ids)


def decode(ids: list[int], vocabulary: str = DEFAULT) -> str:
    """Return the text of ``ids``; an id that the vocabulary lacks reads as its number."""
    known = load(vocabulary)
    try:
        return known.decode(ids)
    except (KeyError, OverflowError):
        return " ".join(map(str, ids))


def text_of(ids: list[int], vocabulary: str = DEFAULT) -> str:
    """Return the text of ``ids``; bytes that are no character are replaced. Raises ``UnknownToken``."""
    known = load(vocabulary)
    try:
        return known.decode(ids)
    except (KeyError, OverflowError):
        raise UnknownToken(_first_unknown(ids, known)) from None


def _first_unknown(ids: list[int], known: tiktoken.Encoding) -> int:
    for position, token in enumerate(ids):
        try:
            known.decode_single_token_bytes(token)
        except (KeyError, OverflowError):
            return position
    return 0


def is_loaded(vocabulary: str = DEFAULT) -> bool:
    return vocabulary in _loaded


_loaded: dict[str, tiktoken.Encoding] = {}


def load(vocabulary: str = DEFAULT) -> tiktoken.Encoding:
    """Return the tokenizer, loaded once. Raises ``VocabularyDamaged``."""
    with _loading:
        if vocabulary not in _loaded:
            wanted = VOCABULARIES[vocabulary]
            _loaded[vocabulary] = tiktoken.Encoding(
                vocabulary,
                pat_str=wanted.pattern,
                mergeable_ranks=_ranks(VENDOR / f"{vocabulary}.tiktoken.xz", wanted.sha256),
                special_tokens=wanted.special,
            )
        return _loaded[vocabulary]


def _ranks(path: Path, sha256: str) -> dict[bytes, int]:
    data = lzma.decompress(path.read_bytes())
    if hashlib.sha256(data).hexdigest() != sha256:
        raise VocabularyDamaged(path.name)
    ranks = {}
    for line in data.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[base64.b64decode(token)] = int(rank)
    return ranks
