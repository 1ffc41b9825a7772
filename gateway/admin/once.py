"""Forms that may be sent once: reloading a page that showed a secret must not issue another."""

from __future__ import annotations

import secrets

from django.http import HttpRequest

USED = "used_tickets"
KEPT = 50


def ticket() -> str:
    return secrets.token_urlsafe(12)


def use(request: HttpRequest, ticket: str) -> bool:
    """Return whether ``ticket`` is used for the first time in this session."""
    used = request.session.get(USED, [])
    if ticket in used:
        return False
    request.session[USED] = [*used, ticket][-KEPT:]
    return True
