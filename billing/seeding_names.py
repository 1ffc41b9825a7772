"""The names that genai-prices' matching rules give a model, as far as our exact names and ``prefix*`` can say them.

There the first model of a provider that matches a name has it; here an exact name goes before the longest prefix.
A name or prefix is only handed out where both rules must give the same model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from genai_prices import types as genai

# the beginning of an anchored expression that it can only match literally
LITERAL = re.compile(r"\^((?:[\w@:/-]|\\\.)+)(?![*?+{])")


class Names:
    """Hands out the names of one provider's models, which must come in the provider's own order."""

    def __init__(self) -> None:
        self._exact: set[str] = set()
        self._patterns: list[genai.MatchLogic] = []  # whatever matches more than one name
        self._unsaid: list[genai.MatchLogic] = []  # whatever we could not say in a row

    def give(self, model: genai.ModelInfo, is_priced: bool) -> list[str]:
        """Return the names of ``model``; none where it is not priced, though its names are then taken."""
        clauses = list(_alternatives(model.match))
        if model.is_match(model.id):
            clauses.append(genai.ClauseEquals(model.id))
        names = [self._name(clause) for clause in clauses]
        self._exact.update(clause.equals.lower() for clause in clauses if isinstance(clause, genai.ClauseEquals))
        self._patterns += [clause for clause in clauses if not isinstance(clause, genai.ClauseEquals)]
        self._unsaid += [clause for clause, name in zip(clauses, names, strict=True) if not (is_priced and name)]
        return _without_own_members({name for name in names if name}) if is_priced else []

    def _name(self, clause: genai.MatchLogic) -> str | None:
        if isinstance(clause, genai.ClauseEquals):
            name = clause.equals.lower()
            return None if name in self._exact or self._is_taken(name) else name
        if isinstance(clause, genai.ClauseStartsWith):
            prefix = clause.starts_with.lower()
            unsafe = self._is_taken(prefix) or any(may_match(other, prefix) for other in self._unsaid)
            return None if unsafe else f"{prefix}*"
        return None

    def _is_taken(self, name: str) -> bool:
        return any(pattern.is_match(name) for pattern in self._patterns)


def _without_own_members(names: set[str]) -> list[str]:
    families = tuple(name[:-1] for name in names if name.endswith("*"))
    return sorted(name for name in names if name.endswith("*") or not name.startswith(families))


def may_match(clause: genai.MatchLogic, prefix: str) -> bool:
    """Return whether ``clause`` could match a name that begins with ``prefix``; in doubt, yes."""
    if isinstance(clause, genai.ClauseAnd):
        return all(may_match(inner, prefix) for inner in clause.and_)
    if isinstance(clause, genai.ClauseEquals):
        return clause.equals.lower().startswith(prefix)
    if isinstance(clause, genai.ClauseStartsWith):
        return _overlap(clause.starts_with.lower(), prefix)
    if isinstance(clause, genai.ClauseRegex):
        literal = LITERAL.match(clause.regex)
        return literal is None or _overlap(literal[1].replace("\\", ""), prefix)
    if isinstance(clause, genai.ClauseContains | genai.ClauseEndsWith):
        text = clause.contains if isinstance(clause, genai.ClauseContains) else clause.ends_with
        family = re.split(r"[-.]", prefix)[0]
        return _overlap(text.lower(), prefix) or not text.lower().startswith(family)
    return True


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _alternatives(match: genai.MatchLogic) -> Iterator[genai.MatchLogic]:
    if isinstance(match, genai.ClauseOr):
        for inner in match.or_:
            yield from _alternatives(inner)
    else:
        yield match
