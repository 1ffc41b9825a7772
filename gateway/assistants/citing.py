"""Where a text names its sources: the passages that a search has found, the files that code has made. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Known = Mapping[str, Mapping[str, Any]]

# where a path may go on, and where it does
PENDING, GOES_ON = re.compile(r"[\w.%/-]*\Z"), re.compile(r"[.%/-]*\w")
UNMARKED = str.maketrans({"【": "(", "】": ")", "†": "+", "\n": " ", "\r": " "})
LONGEST_NAME = 100


def mark(place: int, number: int, filename: str) -> str:
    """Return what a passage is cited by: the ``number``-th that a search at this ``place`` of a chat has found."""
    return f"【{place}:{number}†{filename[:LONGEST_NAME].translate(UNMARKED)}】"


def of_file(file_id: str) -> dict[str, Any]:
    """Return what an annotation says of a source that is a passage of a file."""
    return {"type": "file_citation", "file_citation": {"file_id": file_id}}


def of_path(file_id: str) -> dict[str, Any]:
    """Return what an annotation says of a link to a file."""
    return {"type": "file_path", "file_path": {"file_id": file_id}}


def passages(found: Sequence[tuple[str, str]]) -> str:
    """Return what a model is told of a search: marks and texts."""
    return "\n\n".join(f"{mark}\n{text}" for mark, text in found) or "Nothing was found."


class Citations:
    """Finds sources in a text as it comes; ``known`` are annotations by the words that cite them."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._longest = max(map(len, known), default=0)
        words = sorted(map(re.escape, known), key=len, reverse=True)
        self._pattern = re.compile("|".join(words)) if words else None
        self._scanned = 0

    def found(self, text: str, *, is_whole: bool = False) -> list[dict[str, Any]]:
        """Return the annotations of what has come of ``text`` since it was asked the last time."""
        if self._pattern is None:
            return []
        annotations, until = [], len(text) - self._longest
        for match in self._pattern.finditer(text, self._scanned):
            is_mark = match[0].endswith("】")
            if not is_mark and not is_whole and PENDING.match(text, match.end()):
                until = match.start()  # it may become a longer name
                break
            self._scanned = match.end()
            if is_mark or not GOES_ON.match(text, match.end()):
                annotations.append(self._annotation(match))
        self._scanned = max(self._scanned, until)
        return annotations

    def _annotation(self, match: re.Match[str]) -> dict[str, Any]:
        known = self._known[match[0]]
        places = {"start_index": match.start(), "end_index": match.end()}
        return {"type": known["type"], "text": match[0], **places, **known}
