"""Who changed what, when, from where and why: the one place through which the audit log is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.db import models
from django.db.models.signals import pre_save

from accounts.models import User

Actor = User | str | None
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where changes come from: a user, or the name of a command or service; their address; and why."""

    actor: Actor
    address: str | None = None
    reason: str = ""


_origin: ContextVar[Callable[[], Origin] | None] = ContextVar("audit_origin", default=None)


@contextmanager
def audited(actor: Actor, address: str | None = None, reason: str = "") -> Iterator[None]:
    """Every change inside is logged as made by ``actor`` (a user, or words such as "tollgate apply (alice)")."""
    origin = Origin(actor, address, reason)
    with audited_by(lambda: origin):
        yield


@contextmanager
def audited_by(origin: Callable[[], Origin]) -> Iterator[None]:
    """As ``audited``, asking for the origin only when something is written."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def register(model: type[models.Model], hidden: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> None:
    """Log every change of ``model``: of ``hidden`` fields only that they changed, of ``left_out`` ones nothing."""
    if not auditlog.contains(model):
        rows_of_others = [field.name for field in model._meta.related_objects]
        auditlog.register(
            model,
            exclude_fields=[*left_out, *rows_of_others],
            mask_fields=list(hidden),
            mask_callable=f"{__name__}.{conceal.__name__}",
        )


def record(subject: models.Model, event: str, **facts: object) -> None:
    """Log an event that changes no row, such as a sign-in."""
    LogEntry.objects.log_create(
        subject,
        force_log=True,
        action=LogEntry.Action.ACCESS,
        object_pk=str(subject.pk or ""),
        additional_data={"event": event, **facts},
    )


def conceal(value: str) -> str:
    """Return what may be shown of a hidden field: that there is something, and of options all but their headers."""
    if value in {"", "None"}:
        return ""
    try:
        options = json.loads(value)
    except ValueError:
        return HIDDEN
    if not isinstance(options, dict):
        return HIDDEN
    return json.dumps({name: HIDDEN if name == "headers" else option for name, option in options.items()})


def _sign(sender: type[LogEntry], instance: LogEntry, **_: object) -> None:
    """Write onto a new entry who is behind it."""
    source = _origin.get()
    if source is None or instance.pk is not None:
        return
    origin = source()
    if isinstance(origin.actor, User):
        instance.actor, instance.actor_email = origin.actor, origin.actor.email
    instance.remote_addr = instance.remote_addr or origin.address
    facts = {"by": origin.actor if isinstance(origin.actor, str) else "", "reason": origin.reason}
    instance.additional_data = {**(instance.additional_data or {}), **{k: v for k, v in facts.items() if v}} or None


pre_save.connect(_sign, sender=LogEntry, dispatch_uid="accounts.audit")
