"""The health page: is the gateway itself well?"""

from __future__ import annotations

import platform
import time
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import redis
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.models import ConfigVersion
from billing import clock
from billing.models import Alert, RejectedLine
from gateway import figures, proof
from gateway.models import AlertChannel
from gateway.pages import journal

PACKAGES = (
    "tollgate",
    "django",
    "channels",
    "celery",
    "granian",
    "daphne",
    "httpx2",
    "psycopg",
    "redis",
    "django-unfold",
)
REDIS_SECONDS = 1.0
SHOWN_LINES = 20
PROOF_LATE = timedelta(hours=36)


class Check(NamedTuple):
    """A part of the gateway: how it is in one word, its tone, and more about it."""

    name: str
    word: str
    tone: str
    about: str


def health(request: HttpRequest) -> HttpResponse:
    now = clock.now()
    state = journal.state(now)
    checks = [_database(), _redis(), _ledger(state), verified(now), _alerts()]
    configuration = ConfigVersion.objects.filter(pk=1).first()
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "journal": state,
        "checks": checks,
        "wrong": [check for check in checks if check.tone == "tg-bad"],
        "processes": journal.processes(now),
        "rejected": RejectedLine.objects.order_by("-rejected_at")[:SHOWN_LINES],
        "versions": [("Python", platform.python_version()), *((name, _version(name)) for name in PACKAGES)],
        "configuration": configuration.version if configuration else "–",
        "shape": "PostgreSQL" if connection.vendor == "postgresql" else "embedded: SQLite",
    }
    return TemplateResponse(request, "gateway/health.html", context)


def _database() -> Check:
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()" if connection.vendor == "postgresql" else "SELECT sqlite_version()")
        answer = str(cursor.fetchone()[0])
    took = (time.perf_counter() - began) * 1000
    name = answer.split(",")[0].split(" (")[0] if connection.vendor == "postgresql" else f"SQLite {answer}"
    return Check("Database", "answers", "tg-ok", f"{name}, in {took:.1f} ms")


def _redis() -> Check:
    if not settings.REDIS_URL:
        return Check("Redis", "not used", "", "one process does without")
    began = time.perf_counter()
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        ) as client:
            release = client.info("server")["redis_version"]
    except redis.RedisError:
        return Check("Redis", "away", "tg-bad", "calls go on; usage is posted by the web processes themselves")
    return Check("Redis", "answers", "tg-ok", f"Redis {release}, in {(time.perf_counter() - began) * 1000:.1f} ms")


def _ledger(state: journal.State) -> Check:
    if state.rejected:
        return Check("Ledger", "lines rejected", "tg-bad", f"{state.rejected} journal lines could not be posted")
    if state.is_late:
        return Check("Ledger", "late", "tg-bad", f"{state.waiting} segments wait: is a worker running?")
    return Check("Ledger", "up to date", "tg-ok", f"{state.waiting} segments wait to be posted")


def verified(now: datetime) -> Check:
    """Return how the ledger's last proof ended, and when that was."""
    last = proof.last()
    if last is None:
        return Check("Proof", "not yet", "", "the ledger is verified each night")
    about = f"verified {figures.ago(last.at, now)}, in {figures.duration(last.seconds * 1000)}"
    if last.differences:
        return Check("Proof", _differences(last.differences), "tg-bad", about)
    if last.at < now - PROOF_LATE:
        return Check("Proof", "late", "tg-warn", f"{about}: is beat running?")
    return Check("Proof", "clean", "tg-ok", about)


def _differences(count: int) -> str:
    return f"{count:,} difference{'' if count == 1 else 's'}"


def _alerts() -> Check:
    failing = Alert.objects.exclude(error="").filter(sent_at=None).count()
    channels = AlertChannel.objects.filter(is_active=True).count()
    if failing:
        return Check("Alerts", f"{failing} delayed", "tg-bad", "a channel does not take them")
    if not channels:
        return Check("Alerts", "no channel", "", "nobody is told of anything")
    return Check("Alerts", "on", "tg-ok", f"{channels} channel{'' if channels == 1 else 's'}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
