"""drf-spectacular's view of our views: what the tables say of them, and what they say of themselves."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry

from gateway import dialects
from gateway.openapi import tables
from gateway.openapi.operation import Door, Operation, written
from gateway.views.api import ApiView

DIALECTS = {"openai": dialects.OPENAI, "anthropic": dialects.ANTHROPIC, "elevenlabs": dialects.ELEVENLABS}


def no_request(*args: Any, **kwargs: Any) -> None:
    """There is none to be mocked: nothing that is described depends on who asks."""


class Undescribed(Exception):
    """The API has an operation that ``gateway.openapi.resources`` does not describe."""


class DescribedSchema(AutoSchema):
    """Takes what an operation is from the tables: our views have no serializers to be inspected."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any]:
        operation = description(method, path)
        return written(operation, operation.id or _id(method, path), door_of(self.view, path))


def description(method: str, path: str) -> Operation:
    try:
        return tables.OPERATIONS[f"{method.upper()} {path}"]
    except KeyError:
        raise Undescribed(f"{method.upper()} {path}") from None


def door_of(view: ApiView, path: str) -> Door:
    keys = ("bearer", *(name.decode() for name in view.key_headers)) if view.needs_key else ()
    dialect = next(name for name, known in DIALECTS.items() if known == view.dialect)
    return Door(re.findall(r"{(\w+)}", path), keys, dialect, view.body_is_optional)


def _id(method: str, path: str) -> str:
    """Return for instance ``getRequestsExplain``; a parameter that ends a path is said by ``One``."""
    steps = path.strip("/").removeprefix("v1/").split("/")
    names = [word for step in steps if not step.startswith("{") for word in re.split(r"\W+|_", step)]
    last = ["One"] if steps[-1].startswith("{") else []
    return method.lower() + "".join(word.capitalize() for word in [*names, *last])
