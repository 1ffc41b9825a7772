"""What was read from LiteLLM becomes rows: all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from django.db import transaction
from django.utils import timezone

from accounts.models import ApiKey, Team, User
from gateway.configuration.applying import apply
from gateway.configuration.changes import NEW, Change
from gateway.litellm.tables import Key, People, document


def write(
    config: dict[str, Any], keys: list[Key], people: People, environment: Mapping[str, str], *, dry_run: bool = False
) -> list[Change]:
    """Make the rows and return what that changed. Raises ``Unusable``, with nothing changed.

    A dry run does the same and takes it back. Doing it again adds nothing.
    """
    before, after = document(keys, people)
    with transaction.atomic():
        _keep_memberships(before["users"])
        changes = apply(_text(config), environment) if config else []
        changes += apply(_text(before), {})
        changes += [change for key in keys if (change := _write_key(key))]
        changes += apply(_text(after), {})
        transaction.set_rollback(dry_run)
    return changes


def _keep_memberships(users: list[dict[str, Any]]) -> None:
    """Let who is here already stay in the teams that LiteLLM knows nothing of."""
    for entry in users:
        present = Team.objects.filter(memberships__user__email=entry["email"]).values_list("name", flat=True)
        if entry.get("teams"):
            entry["teams"] = sorted({*entry["teams"], *present})


def _text(values: dict[str, Any]) -> str:
    return yaml.safe_dump({name: value for name, value in values.items() if value}, allow_unicode=True)


def _write_key(key: Key) -> Change | None:
    """Add a key that is not there; what was changed here since is not changed back."""
    if ApiKey.objects.filter(digest=key.digest).exists():
        return None
    owner = key.owner
    ApiKey.objects.create(
        public_id=f"ll-{key.digest[:16]}",
        digest=key.digest,
        name=key.name[:200],
        user=User.objects.get(email=owner.user) if owner.user else None,
        team=Team.objects.get(name=owner.team) if owner.team else None,
        models_allowed=key.models,
        expires_at=key.expires_at,
        revoked_at=timezone.now() if key.is_blocked else None,
    )
    return Change(NEW, f"key {key.name}")
