"""Sign-ins, sign-outs and failed tries: they stand in the audit log, and the log says who tried too often."""

from __future__ import annotations

from datetime import timedelta

from auditlog.models import LogEntry
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.middleware import address_of
from accounts.models import User

SIGNED_IN = "signed in"
SIGNED_OUT = "signed out"
FAILED = "failed sign-in"

TRIES = 5
LOCK = timedelta(minutes=15)


def is_locked(email: str, address: str | None) -> bool:
    """Return whether the last five tries for ``email`` from ``address``, all within 15 minutes, failed."""
    since = timezone.now() - LOCK
    entries = LogEntry.objects.filter(
        timestamp__gt=since, action=LogEntry.Action.ACCESS, object_repr=_named(email), remote_addr=address
    )
    last = [_event(entry) for entry in entries.order_by("-timestamp")[:TRIES]]
    return last == [FAILED] * TRIES


def record_sign_in(sender: object, request: HttpRequest, user: User, **_: object) -> None:
    with audit.audited(user, address_of(request)):
        audit.record(user, SIGNED_IN)


def record_sign_out(sender: object, request: HttpRequest, user: User | None, **_: object) -> None:
    if user is not None:
        with audit.audited(user, address_of(request)):
            audit.record(user, SIGNED_OUT)


def record_failure(sender: object, credentials: dict, request: HttpRequest | None = None, **_: object) -> None:
    """Log a failed try, unless the lock is on: what is refused unread fills no table."""
    address = address_of(request) if request else None
    email = credentials.get("username") or credentials.get("email") or ""
    if not is_locked(email, address):
        with audit.audited(None, address):
            audit.record(User(email=_named(email)), FAILED)


def connect() -> None:
    user_logged_in.connect(record_sign_in, dispatch_uid="accounts.sessions")
    user_logged_out.connect(record_sign_out, dispatch_uid="accounts.sessions")
    user_login_failed.connect(record_failure, dispatch_uid="accounts.sessions")


def _named(email: str) -> str:
    # people type passwords into the wrong field: what is no address is not written down
    return email.strip().lower()[:254] if "@" in email else "(no e-mail address)"


def _event(entry: LogEntry) -> str:
    return (entry.additional_data or {}).get("event", "")
