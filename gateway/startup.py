"""What a start needs before it can serve: tables, static files, the first admin, the demo, prices."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from accounts import first
from billing import partitions
from billing.models import Price
from gateway.configuration.demo import seed_demo

MIGRATION_LOCK = 0x746F6C6C67617465  # "tollgate"


def prepare(base: str) -> Iterator[str]:
    """Bring everything up to date; yield the lines a first start prints. Safe to run in several places at once."""
    with only_one_at_a_time():
        migrate()
        collect_static()
        partitions.ensure()
        yield from greet(base)


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Hold the start's lock: in PostgreSQL for all machines, else a file for this folder."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        return
    with open(settings.DATA / "serve.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def migrate() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def collect_static() -> None:
    """Copy static files where what they come from has changed."""
    packages = ("django", "django-unfold", "djangorestframework", "tollgate")
    state = " ".join(f"{name}={version(name)}" for name in packages)
    own = sorted(path for folder in settings.STATICFILES_DIRS for path in folder.rglob("*") if path.is_file())
    state += sha256("".join(f"{path}{path.stat().st_mtime_ns}" for path in own).encode()).hexdigest()
    stamp = settings.STATIC_ROOT / ".collected"
    if not stamp.exists() or stamp.read_text() != state:
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(state)


def greet(base: str) -> Iterator[str]:
    """Make the first admin, key and demo where there is no user yet; their secrets are printed this once."""
    made = first.first_admin(os.environ.get("TOLLGATE_ADMIN_EMAIL"), os.environ.get("TOLLGATE_ADMIN_PASSWORD"))
    if made is None:
        return
    seed_demo()
    user, password = made
    yield f"Admin: {base}/admin/ {user.email} {password or '(password from TOLLGATE_ADMIN_PASSWORD)'}"
    if secret := first.first_key(user):
        yield f"API key: {secret}"


def begin_seeding() -> subprocess.Popen[bytes] | None:
    """Seed prices beside the start, None where they are there. The price data stays in that process: it is 60 MB."""
    if Price.objects.filter(source=f"genai-prices {version('genai-prices')}").exists():
        return None
    return subprocess.Popen([sys.executable, "-m", "django", "seed_prices"])


def disconnect() -> None:
    """Leave no connection open in the process that only watches its children."""
    connections.close_all()
    for each in connections.all():
        if getattr(each, "_connection_pools", None):
            each.close_pool()
