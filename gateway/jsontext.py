"""A column of JSON that stands as text: PostgreSQL's own JSON has no room for the character zero, which models say."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import models


class JsonText(models.TextField):
    """Any JSON value. Not for looking into by queries."""

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else msgspec.json.decode(value)

    def to_python(self, value: Any) -> Any:
        return msgspec.json.decode(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()
