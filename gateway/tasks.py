"""The Celery doorway to alerts, the nightly proof and retention; every task may be lost, late or doubled."""

from __future__ import annotations

from celery import shared_task

from gateway import proof, retaining
from gateway.alerts import delivery
from gateway.files import store


@shared_task(ignore_result=True)
def deliver_alerts() -> None:
    """Send what is due."""
    delivery.deliver()


@shared_task(ignore_result=True)
def verify_ledger() -> None:
    """Verify the ledger where it was not verified since the night began."""
    proof.verify_when_due()


@shared_task(ignore_result=True)
def drop_old_months() -> None:
    """Carry the months of usage records that the settings let go."""
    retaining.carry_due()


@shared_task(ignore_result=True)
def sweep_files() -> None:
    """Remove the files that have expired, were deleted or never became whole."""
    store.sweep()
