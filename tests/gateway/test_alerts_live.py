"""Alerts of a running gateway: a budget is crossed, people hear of it, whoever is killed on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gateway.alerts import signing
from tests.gateway.receivers import WebReceiver
from tests.live import Gateway

SETUP = """
from accounts.models import User
from billing.models import Budget
from gateway.models import AlertChannel
from providers.secrets import encrypt
AlertChannel.objects.create(kind="webhook", address={url!r}, secret=encrypt({secret!r}), allow_private=True)
Budget.objects.create(amount=20, unit="requests", alert_at=[0.05], mode="observe")
"""
DEMO = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def receiver() -> Iterator[WebReceiver]:
    running = WebReceiver()
    yield running
    running.stop()


@pytest.fixture
def alone() -> Iterator[Gateway]:
    running = Gateway()
    try:
        yield running.start()
    finally:
        running.destroy()


def wait_for(receiver: WebReceiver, count: int) -> None:
    until = time.monotonic() + 30
    while len(receiver.deliveries) < count and time.monotonic() < until:
        time.sleep(0.05)
    assert len(receiver.deliveries) == count


def kill_the_worker(gateway: Gateway) -> None:
    if gateway.worker is None:
        gateway.kill_web()
    else:
        gateway.kill_worker()


def test_a_crossed_threshold_is_told_of_though_the_worker_is_killed_while_sending(
    alone: Gateway, receiver: WebReceiver
) -> None:
    alone.command("shell", "-v0", "-c", SETUP.format(url=receiver.url, secret=signing.new_secret()))
    alone.command("shell", "-v0", "-c", "from gateway.proof import verify_when_due; verify_when_due()")
    alone.take_in()
    receiver.gate.clear()
    alone.record(alone.post("/v1/chat/completions", DEMO).headers["x-request-id"])
    wait_for(receiver, 1)
    metrics = alone.get("/metrics").text
    assert "tollgate_ledger_differences 0.0" in metrics
    assert "tollgate_ledger_verified_timestamp_seconds 0.0" not in metrics
    kill_the_worker(alone)
    receiver.gate.set()
    assert alone.sql("SELECT tries FROM billing_alert WHERE sent_at IS NULL") == [(1,)]
    alone.sql("UPDATE billing_alert SET next_at = created_at")  # as two minutes would
    alone.command("shell", "-v0", "-c", "from gateway.alerts.delivery import deliver; deliver()")
    first, second = receiver.deliveries
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (second.json["data"]["threshold"], second.json["data"]["spent"]) == ("0.05", "1")
    assert alone.sql("SELECT tries, error FROM billing_alert WHERE sent_at IS NOT NULL") == [(2, "")]
