"""The app's entry in INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, post_save, pre_migrate
from django.utils.module_loading import import_string

from billing import guards


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "May they, what did it cost"

    def ready(self) -> None:
        pre_migrate.connect(guards.removed, sender=self)
        post_migrate.connect(guards.installed, sender=self)
        # by name: models may only be imported from here on
        post_save.connect(import_string("billing.succession.inherit"), sender="accounts.ApiKey")
