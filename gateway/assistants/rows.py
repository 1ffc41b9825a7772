"""What is kept of assistants, threads, messages, runs and their steps."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q

from gateway.assistants.states import OPEN
from gateway.jsontext import JsonText
from gateway.owned import Owned

PREFIXES = {"assistant": "asst_", "thread": "thread_", "message": "msg_", "run": "run_", "step": "step_"}


def new_handle(kind: str) -> str:
    return PREFIXES[kind] + secrets.token_hex(12)


class Assistant(Owned):
    """``handle`` is its id outside; ``body`` what its caller may change: model, instructions, tools and the rest."""

    handle = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    body = JsonText()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "team", "id"], name="assistant_listing")]

    def __str__(self) -> str:
        return self.handle


class Thread(Owned):
    """``body`` has ``tool_resources`` and ``metadata``."""

    handle = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    body = JsonText()

    def __str__(self) -> str:
        return self.handle


class Run(Owned):
    """One execution of an assistant on a thread.

    ``asked`` is what it goes by, fixed when it was made: model, instructions, tools, bounds (``asked.request`` has
    what of the request's headers shapes its calls). ``usage`` counts tokens of its finished calls. One process at a
    time works on it, until ``lease_until`` at the longest without being heard of; ``fence`` counts who took it: what an
    earlier one still writes is refused. ``takeovers`` counts those whose process died. ``last_event`` is the number
    of the newest event in its log. ``call`` is the id of the usage record, or of the one to come, of the call whose
    outcome is not written down here yet, "" where there is none.
    """

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="runs")
    handle = models.CharField(max_length=64, unique=True)
    assistant = models.CharField(max_length=64)
    status = models.CharField(max_length=16)
    asked = JsonText()
    metadata = JsonText(default=dict)
    required_action = JsonText(null=True)
    last_error = JsonText(null=True)
    incomplete_reason = models.CharField(max_length=32, blank=True, default="")
    usage = JsonText(default=dict)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(default=0)
    takeovers = models.IntegerField(default=0)
    hinted_at = models.DateTimeField(null=True)
    last_event = models.BigIntegerField(default=0)
    call = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["thread"], condition=Q(status__in=OPEN), name="one_open_run_per_thread")
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="run_open", condition=Q(status__in=OPEN)),
            models.Index(fields=["user", "team", "id"], name="run_listing"),
        ]

    def __str__(self) -> str:
        return self.handle


class Message(models.Model):
    """One message of a thread, in its order: by ``id``. ``run`` and ``assistant`` are "" where a caller wrote it."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    handle = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=16)
    status = models.CharField(max_length=16, default="completed")
    content = JsonText(default=list)
    attachments = JsonText(null=True)
    metadata = JsonText(default=dict)
    run = models.CharField(max_length=64, blank=True, default="")
    assistant = models.CharField(max_length=64, blank=True, default="")
    incomplete_reason = models.CharField(max_length=32, blank=True, default="")
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    incomplete_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["thread", "id"], name="message_listing"),
            models.Index(fields=["run"], name="message_of_run", condition=~Q(run="")),
        ]

    def __str__(self) -> str:
        return self.handle


class RunStep(models.Model):
    """One step of a run, in its order: by ``id``. ``details`` is its ``step_details``; ``record`` the id of the
    usage record of the call that made it, "" where none did.

    Of one that calls tools ``said`` is what the model is told of it: the ``message`` that it wrote, as it wants that
    back, and the ``outputs`` of the calls that were executed here.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    handle = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=24)
    status = models.CharField(max_length=16, default="in_progress")
    details = JsonText()
    last_error = JsonText(null=True)
    usage = JsonText(null=True)
    metadata = JsonText(default=dict)
    said = JsonText(null=True)
    record = models.CharField(max_length=40, blank=True, default="")
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["run", "id"], name="step_listing")]

    def __str__(self) -> str:
        return self.handle


class RunEvents(models.Model):
    """Events of a run committed together, ``[number, name, data]`` each; ``last`` is the last one's number."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    last = models.BigIntegerField()
    events = JsonText()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "last"], name="run_events_once")]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="run_events_age")]

    def __str__(self) -> str:
        return f"{self.run_id} up to {self.last}"
