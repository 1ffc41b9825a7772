"""What cannot be carried over, each by the name of its place. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple


class Leftover(NamedTuple):
    """``place`` as ``model_list[2].litellm_params.temperature``, and what of it is not here, or other than there."""

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


class Leftovers(list[Leftover]):
    """Collects them, once each."""

    def note(self, place: str, why: str = "there is nothing like it here") -> None:
        leftover = Leftover(place, why)
        if leftover not in self:
            self.append(leftover)

    def note_rest(self, place: str, given: dict[str, Any], taken: set[str] | frozenset[str]) -> None:
        """Note every key of ``given`` that nobody took; one that is null says nothing."""
        for name in given.keys() - taken:
            if given[name] is not None:
                self.note(f"{place}.{name}")
