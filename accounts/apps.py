"""The app's entry in INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import import_string


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Who asks"

    def ready(self) -> None:
        # by name: models may only be imported from here on
        import_string("accounts.sessions.connect")()
