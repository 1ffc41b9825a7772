"""Rankings of documents as the caller asked for them, in Cohere's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.errors import RequestRejected

# What Cohere bills at once: one query and so many documents.
DOCUMENTS_PER_UNIT = 100


def texts_of(documents: Sequence[Any]) -> list[str]:
    """Return the documents' texts. Raises ``RequestRejected`` with the place of one that has none."""
    return [_text_of(document, f"documents[{position}]") for position, document in enumerate(documents)]


def _text_of(document: Any, place: str) -> str:
    text = document.get("text") if isinstance(document, Mapping) else document
    if not isinstance(text, str):
        raise RequestRejected("A document is a string, or an object with its text.", param=place)
    return text


def units_of(documents: int) -> int:
    """Return the search units of one query over so many short documents."""
    return max(1, -(-documents // DOCUMENTS_PER_UNIT))


def finished(answer: dict[str, Any], body: Mapping[str, Any]) -> bool:
    """Make a ranking, in place, what was asked for: the best first, no more than ``top_n``, with the documents that
    ``return_documents`` wants and the search units that it is billed by. Always true: it is no longer as it came.

    Raises ``LookupError`` where the answer ranks a document that there is not.
    """
    documents = body["documents"]
    ranked = sorted(answer["results"], key=lambda result: -result["relevance_score"])
    for result in ranked:
        document = documents[result["index"]]
        if body.get("return_documents"):
            result["document"] = document if isinstance(document, Mapping) else {"text": document}
    answer["results"] = ranked[: body.get("top_n")]
    told = answer["meta"].get("billed_units") or {}
    answer["meta"] = {**answer["meta"], "billed_units": {"search_units": units_of(len(documents)), **told}}
    return True
