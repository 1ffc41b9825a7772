"""Rows made equal to what a file says, each change noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from gateway.configuration.changes import CHANGED, GONE, NEW, Change, difference, first_value
from gateway.configuration.document import Path, Problem

# tollgate.yaml's word -> the column, where they differ
COLUMNS = {"models": "models_allowed", "expires": "expires_at"}

Words = Mapping[str, Callable[[Any], Any]]
PLAIN: Words = {}


class Rows:
    """Collects what one application changed, and what it found wrong."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.changes: list[Change] = []
        self.problems: list[Problem] = []

    def put(
        self, row: models.Model, subject: str, values: Mapping[str, Any], path: Path, words: Words = PLAIN
    ) -> models.Model:
        """Save ``row`` with ``values`` where that changes anything; ``words`` say what a value reads as."""
        is_new = row._state.adding
        differing = {name: new for name, new in values.items() if is_new or getattr(row, _column(name)) != new}
        if not differing and not is_new:
            return row
        said = {name: words.get(name, _itself) for name in differing}
        details = tuple(
            first_value(name, said[name](new))
            if is_new
            else difference(name, said[name](getattr(row, _column(name))), said[name](new))
            for name, new in differing.items()
        )
        for name, new in differing.items():
            setattr(row, _column(name), new)
        if self._is_sound(row, set(differing), path):
            row.save()
            self.changes.append(Change(NEW if is_new else CHANGED, subject, details))
        return row

    def remove(self, row: models.Model, subject: str) -> None:
        row.delete()
        self.changes.append(Change(GONE, subject))

    def end(self, row: models.Model, subject: str) -> None:
        """End a row that the ledger may name."""
        row.ended_at = self.now
        row.save(update_fields=["ended_at"])
        self.changes.append(Change(GONE, subject))

    def refuse(self, path: Path, message: str) -> None:
        self.problems.append(Problem(path, message))

    def _is_sound(self, row: models.Model, names: set[str], path: Path) -> bool:
        """Whether the model's own rules for single fields hold; what does not is noted under the file's words."""
        words = {_column(name): name for name in names}
        try:
            row.clean_fields(exclude={field.name for field in row._meta.fields} - words.keys())
        except ValidationError as error:
            for column, messages in error.message_dict.items():
                self.refuse((*path, words[column]), " ".join(messages))
            return False
        return True


def _itself(value: Any) -> Any:
    return value


def _column(name: str) -> str:
    return COLUMNS.get(name, name)
