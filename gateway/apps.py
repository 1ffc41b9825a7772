"""The app's entry in INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.utils.module_loading import import_string

from gateway import checks


class GatewayConfig(AppConfig):
    name = "gateway"
    verbose_name = "The door"

    def ready(self) -> None:
        register(checks.bucket_has_its_libraries, checks.TAG)
        # by name: models may only be imported from here on
        import_string("gateway.configuration.tables.watch")(self)
