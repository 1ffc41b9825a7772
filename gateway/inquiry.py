"""One request to the API as the door hands it on: who asks, from where, for what."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from accounts.directory import Caller
from gateway.dialects import OPENAI, Dialect
from gateway.forms import Form

MAX_TAGS = 16
MAX_TAG_LENGTH = 64


class ForRun(NamedTuple):
    """The run that a call is made for, as the ledger names it, and the ``fence`` of the process that works on it."""

    run_id: str
    step_id: str
    fence: int


@dataclass(slots=True)
class Inquiry:
    """What is known of a request before it is admitted. ``started`` is a monotonic time in seconds.

    ``dialect`` is that of its errors. ``left_as`` is the status of a call that nobody waits for any more.
    ``attempts`` counts what was sent upstream for it, the last to ``provider``; None where it is no call of a model.
    ``record_id`` is that of its record where somebody had to know it before, ``retry_of`` that of the former one of a
    call that is made again. ``run`` is given where nobody asks but a run does.
    """

    headers: dict[bytes, bytes]
    caller: Caller | None = None
    body: Any = None
    form: Form | None = None
    is_answering: bool = False
    attempts: int | None = None
    provider: str = ""
    dialect: Dialect = OPENAI
    left_as: str = "client_gone"
    record_id: str = ""
    retry_of: str | None = None
    run: ForRun | None = None
    request_id: str = field(default_factory=lambda: f"req_{random.getrandbits(128):032x}")
    started: float = field(default_factory=time.monotonic)

    def secret(self, key_headers: Sequence[bytes] = ()) -> str:
        """Return the bearer secret, else what the first of ``key_headers`` has; empty where none was sent."""
        scheme, _, secret = self.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and (bearer := secret.strip()):
            return bearer
        given = (self.headers.get(name, b"").decode("latin-1").strip() for name in key_headers)
        return next(filter(None, given), "")

    @property
    def attempt_headers(self) -> list[tuple[str, str]]:
        """Return what an error says of the attempts before it."""
        if self.attempts is None:
            return []
        provider = [("x-tollgate-provider", printable(self.provider))] if self.attempts else []
        return [*provider, ("x-tollgate-attempts", str(self.attempts))]

    @property
    def tags(self) -> list[str]:
        """The labels of ``x-tollgate-tags``, cut to a sane number and length."""
        given = self.headers.get(b"x-tollgate-tags", b"").decode("latin-1")
        names = [name.strip()[:MAX_TAG_LENGTH] for name in given.split(",")] if given else []
        return [name for name in names if name][:MAX_TAGS]


def printable(text: str) -> str:
    """Return ``text`` as a header may carry it: a family's model is whatever the caller wrote."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)
