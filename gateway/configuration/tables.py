"""Which tables are configuration: every change of one moves the version and stands in the audit log."""

from __future__ import annotations

from typing import NamedTuple

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.signals import post_migrate

from accounts import audit, triggers
from accounts.models import ApiKey, Membership, ModelGrant, Team, User
from billing.models import Bill, Budget, Grant, Limit, Markup, Price, RequestForMore
from gateway.models import AlertChannel, Setting
from providers.models import ModelRoute, Provider, Target


class Table(NamedTuple):
    """``columns``: whose update moves the version (none: any); ``hidden`` and ``left_out``: see ``audit.register``."""

    model: type[models.Model]
    columns: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


TABLES = (
    # a sign-in updates last_login (and may renew the password's hash): nothing that a request depends on
    Table(User, columns=("email", "name", "role", "is_active"), hidden=("password",), left_out=("last_login",)),
    Table(Team),
    Table(Membership),
    Table(ApiKey, left_out=("digest",)),
    Table(Provider, hidden=("secret", "options")),
    Table(ModelRoute),
    Table(Target),
    Table(Price),
    Table(Markup),
    Table(Budget),
    Table(Limit),
    Table(Grant),
    Table(ModelGrant),
    Table(AlertChannel, hidden=("address", "secret")),
    Table(Setting),
)


def watch(app: AppConfig) -> None:
    """Called once, when the apps are ready."""
    audit.register(RequestForMore)
    audit.register(Bill)
    for table in TABLES:
        audit.register(table.model, hidden=table.hidden, left_out=table.left_out)
    post_migrate.connect(install_triggers, sender=app)


def install_triggers(using: str = DEFAULT_DB_ALIAS, **_: object) -> None:
    triggers.install(connections[using], {table.model._meta.db_table: table.columns for table in TABLES})
