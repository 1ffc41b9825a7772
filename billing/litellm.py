"""What LiteLLM's model_prices_and_context_window.json says things cost, as far as our rows can say it. Pure.

A field is taken, set aside because tokens stay right without it, or it keeps its model out by name: nothing is guessed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from billing.litellm_fields import IMAGES, SIZE, Inexact, NoAmount, Price, check_that_it_costs, prices_of
from billing.pricing import SEPARATOR
from billing.proposals import Key, Stated, Window

NAME = "litellm"
MOST_BYTES = 64_000_000
MOST_PROBLEMS = 20

# entries that describe the file
DESCRIPTIONS = {"sample_spec"}
# LiteLLM's provider -> the name that genai-prices, and so our books, have for it; any other keeps its own
BOOKS = {
    "azure_text": "azure", "bedrock": "aws", "bedrock_converse": "aws", "cohere_chat": "cohere",
    "fireworks_ai": "fireworks", "fireworks_ai-embedding-models": "fireworks", "gemini": "google",
    "text-completion-openai": "openai", "together_ai": "together", "xai": "x-ai",
}  # fmt: skip
VERTEX = "vertex_ai"
QUALITIES = {"low", "medium", "high", "standard", "hd"}


class Unusable(Exception):
    """A file that is no such list, or has amounts that are none: ``problems`` in lines for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Reading(NamedTuple):
    """What the file states; which models it keeps out, and why; which fields were set aside, and how often."""

    stated: list[Stated]
    left_out: dict[str, str]
    beside: Counter[str]
    windows: dict[tuple[str, str], Window]


def source_of(data: bytes) -> str:
    """Return what rows of this very file are marked with."""
    return f"{NAME} {sha256(data).hexdigest()[:12]}"


def read(data: bytes, since: datetime, *, partly: bool = False, free: bool = False) -> Reading:
    """Return what the file states, in force from ``since``. Raises ``Unusable``.

    With ``partly`` a model keeps the prices of tokens that can be said exactly where others cannot; with ``free`` one
    whose amounts are all 0 is taken at its word.
    """
    reading = Reading([], {}, Counter(), {})
    problems: list[str] = []
    found: dict[tuple[str, str, str], dict[str, list[Price]]] = defaultdict(dict)
    entries = _entries(data)
    if not any("litellm_provider" in entry for entry in entries.values()):
        raise Unusable(["it has no model: is it LiteLLM's model_prices_and_context_window.json?"])
    for name, entry in entries.items():
        try:
            book, model, variant = _named(name, entry)
            prices = list(prices_of(entry, name, reading.beside, partly))
            check_that_it_costs(prices, entry, free)
        except Inexact as reason:
            reading.left_out[name] = str(reason)
        except NoAmount as problem:
            problems.append(f"{name}: {problem}")
        else:
            found[book, model, variant][name] = prices
            _note_window(reading.windows, (book, model), entry)
    if problems:
        more = [f"… and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        raise Unusable([*problems[:MOST_PROBLEMS], *more])
    _state(reading, found, since)
    return reading


def notes(reading: Reading) -> Iterator[str]:
    """Yield for people what of the file is not taken."""
    for name, reason in sorted(reading.left_out.items()):
        yield f"- {name} is left out: {reason}"
    for field, count in reading.beside.most_common():
        yield f"- {field} of {count} models is set aside: no usage is counted that it prices"


def _entries(data: bytes) -> dict[str, dict[str, Any]]:
    if len(data) > MOST_BYTES:
        raise Unusable([f"it is larger than {MOST_BYTES:,} bytes"])
    try:
        whole = json.loads(data, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise Unusable([f"it is no JSON that can be read: {error}"]) from None
    if not isinstance(whole, dict):
        raise Unusable(["it must be an object with an entry for each model"])
    odd = [name for name, entry in whole.items() if not isinstance(entry, dict)]
    if odd:
        raise Unusable([f"{name}: must be an object" for name in odd[:MOST_PROBLEMS]])
    return {name: entry for name, entry in whole.items() if name not in DESCRIPTIONS}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"{max(counts, key=counts.__getitem__)!r} is there twice")
    return entry


def _named(name: str, entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the price book, the model's name upstream, and the variant of an image that the name begins with."""
    provider = entry.get("litellm_provider")
    if not isinstance(provider, str) or not provider:
        raise Inexact("it names no litellm_provider")
    book = "google" if provider.startswith(VERTEX) else BOOKS.get(provider, provider)
    prefixes = (f"{provider}/", f"{VERTEX}/", f"{provider.removesuffix('_converse')}/", f"{book}/")
    prefix = next((each for each in prefixes if name.startswith(each)), "")
    size = quality = ""
    *steps, model = name.removeprefix(prefix).lower().split(SEPARATOR)
    if str(entry.get("mode")) in IMAGES:
        while steps and (steps[0] in QUALITIES or SIZE.fullmatch(steps[0])):
            step = steps.pop(0)
            size, quality = (size, step) if step in QUALITIES else (step.replace("-x-", "x"), quality)
        if steps and steps[0].endswith("-steps"):
            raise Inexact(f"its price depends on {steps[0]}")
    model = SEPARATOR.join([*steps, model])
    if not model or len(model) > 200 or len(book) > 100 or not f"{book}{model}".isprintable():
        raise Inexact("its name does not fit")
    return book, model, SEPARATOR.join(filter(None, (size, quality)))


def _note_window(windows: dict[tuple[str, str], Window], model: tuple[str, str], entry: Mapping[str, Any]) -> None:
    context, output = (_count(entry.get(field)) for field in ("max_input_tokens", "max_output_tokens"))
    if context or output:
        known = windows.get(model, Window(None, None))
        windows[model] = Window(context or known.context, output or known.output)


def _count(value: Any) -> int | None:
    """Return a number of tokens that a column takes; anything else says nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 < value < 2**31:
        return None
    return int(value) if value == int(value) else None


def _state(reading: Reading, found: Mapping[tuple[str, str, str], Mapping[str, list[Price]]], since: datetime) -> None:
    """State each model once; entries that contradict each other are kept out."""
    counted: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for (book, model, _), entries in found.items():
        counted[book, model].update(price.component == "image" for prices in entries.values() for price in prices)
    for (book, model, variant), entries in found.items():
        lists = [sorted(prices) for prices in entries.values()]
        if any(prices != lists[0] for prices in lists):
            reading.left_out.update(dict.fromkeys(entries, f"{book}/{model} has other prices elsewhere in the file"))
        elif len(counted[book, model]) > 1:
            reading.left_out.update(dict.fromkeys(entries, f"{book}/{model} is priced by image and by tokens"))
        else:
            for price in dict.fromkeys(lists[0]):
                key = Key(book, model, *price[:3], variant if price.component == "image" else "")
                reading.stated.append(Stated(key, since, price.amount))
