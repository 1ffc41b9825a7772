"""Which names of an export and of the ledger mean the same model. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

_DATE = re.compile(r"[-@](20\d\d-?[01]\d-?[0-3]\d|[01]\d[0-3]\d|latest)$")
_BETWEEN = re.compile(r"[ ._]+")


def plain(name: str) -> str:
    """Return a name without a prefix, a snapshot's date and what only looks different.

    ``openai/gpt-4o-2024-08-06`` and ``gpt-4o``, ``Claude Sonnet 4.5`` and ``claude-sonnet-4-5-20250929`` are one.
    """
    name = _BETWEEN.sub("-", name.strip().lower().rpartition("/")[2])
    return _DATE.sub("", name)


def matched(theirs: Iterable[str], ours: Iterable[str]) -> Mapping[str, str]:
    """Return the name to compare each name under.

    Names that are the same in their plain form are one model, unless several of them stand on both sides as they are:
    then each of these is compared by itself.
    """
    theirs, ours = set(theirs), set(ours)
    alike: dict[str, set[str]] = defaultdict(set)
    for name in theirs | ours:
        alike[plain(name)].add(name)
    found: dict[str, str] = {}
    for form, names in alike.items():
        exact = names & theirs & ours
        if len(exact) > 1:
            found |= {name: name if name in exact else form for name in names}
        else:
            found |= dict.fromkeys(names, min(exact or names & ours or names))
    return found
