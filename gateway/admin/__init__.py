"""The admin's pages, one file per kind of row."""

import django.contrib.auth.admin  # noqa: F401 registers the group that goes below
from django.contrib import admin
from django.contrib.auth.models import Group

from gateway.admin import (
    alerts,
    assistants,
    bills,
    budgets,
    channels,
    grants,
    keys,
    limits,
    log,
    markups,
    prices,
    providers,
    records,
    requests_for_more,
    routes,
    runs,
    teams,
    threads,
    users,
)

__all__ = [
    "alerts",
    "assistants",
    "bills",
    "budgets",
    "channels",
    "grants",
    "keys",
    "limits",
    "log",
    "markups",
    "prices",
    "providers",
    "records",
    "requests_for_more",
    "routes",
    "runs",
    "teams",
    "threads",
    "users",
]

# roles decide what somebody may do, see accounts/roles.py
admin.site.unregister(Group)
