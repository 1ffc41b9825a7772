"""What our commands have in common."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class GatewayCommand(BaseCommand):
    """A command that starts at once: Django's checks would load every page first, for a second and more."""

    requires_system_checks: list[str] = []
