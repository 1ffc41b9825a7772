"""The ledger: usage records, their corrections, and the sums of both."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.fields import UsdField
from billing.pricing import UNCHANGED


class UsageRecord(models.Model):
    """One admitted request: who, what, how it ended, what it used and cost. Append-only.

    ``id`` is a UUIDv7 of the admission time; on PostgreSQL the table is partitioned by ranges of it. References are
    not constrained, so that the ledger outlives what it names.
    """

    STATUSES = [
        (name, name.replace("_", " "))
        for name in ("completed", "client_gone", "upstream_error", "timeout", "cancelled", "interrupted")
    ]

    id = models.UUIDField(primary_key=True)
    request_id = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    status = models.CharField(max_length=16, choices=STATUSES)
    operation = models.CharField(max_length=40)
    model = models.CharField(max_length=200)
    provider = models.CharField(max_length=100, blank=True)
    upstream_model = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    team = models.ForeignKey(
        "accounts.Team", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    api_key = models.ForeignKey(
        "accounts.ApiKey", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    run_id = models.CharField(max_length=64, blank=True, default="")
    step_id = models.CharField(max_length=64, blank=True, default="")
    fence = models.BigIntegerField(null=True)
    retry_of = models.UUIDField(null=True)
    end_user = models.CharField(max_length=256, blank=True, default="")
    tags = models.JSONField(default=list)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    cache_write_1h_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    audio_in_tokens = models.BigIntegerField(default=0)
    audio_out_tokens = models.BigIntegerField(default=0)
    image_in_tokens = models.BigIntegerField(default=0, db_default=0)
    image_out_tokens = models.BigIntegerField(default=0, db_default=0)
    images = models.BigIntegerField(default=0)
    milliseconds = models.BigIntegerField("audio milliseconds", default=0)
    characters = models.BigIntegerField(default=0)
    service_tier = models.CharField(max_length=32, blank=True, default="")
    variant = models.CharField(max_length=64, blank=True, default="")
    cost = UsdField(null=True, help_text="USD; empty where a price is missing.")
    upstream_cost = UsdField(null=True, help_text="USD at the provider's price, before margins and discounts.")
    markup = models.PositiveIntegerField(default=UNCHANGED, help_text="The factor on the price, in millionths.")
    charges = models.JSONField(default=dict)
    price_rows = models.JSONField(default=list)
    estimated = models.BooleanField(default=False)
    usage_mismatch = models.BooleanField(default=False, help_text="The classes do not add up to the provider's total.")
    over_bound = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=1)
    attempt_log = models.JSONField(default=list)
    http_status = models.PositiveSmallIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    first_token_ms = models.PositiveIntegerField(null=True)
    trace = models.JSONField(null=True, help_text="What is told of its way: docs/explain.md.")

    class Meta:
        indexes = [
            models.Index(fields=["api_key", "id"], name="usage_of_key"),
            models.Index(fields=["user", "id"], name="usage_of_user"),
            models.Index(fields=["team", "id"], name="usage_of_team"),
            models.Index(fields=["model", "id"], name="usage_of_model"),
            models.Index(fields=["request_id"], name="usage_by_request"),
            models.Index(fields=["end_user", "id"], name="usage_of_end_user", condition=~Q(end_user="")),
            # the few that somebody looks for among the many that went well
            models.Index(fields=["status", "id"], name="usage_not_completed", condition=~Q(status="completed")),
            models.Index(
                fields=["id"],
                name="usage_flagged",
                condition=Q(cost__isnull=True) | Q(estimated=True) | Q(usage_mismatch=True),
            ),
        ]

    def __str__(self) -> str:
        return self.request_id


class Adjustment(models.Model):
    """A correction of one record, with its actor and reason; a record's net never goes below zero."""

    record = models.UUIDField()
    cause = models.CharField(max_length=64)
    actor = models.CharField(max_length=254)
    reason = models.TextField()
    cost = UsdField()
    charges = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["record", "cause"], name="one_adjustment_per_cause")]

    def __str__(self) -> str:
        return f"{self.record}: {self.cause}"


class Spend(models.Model):
    """A quarter hour's sums of one value of one dimension."""

    bucket = models.DateTimeField()
    dimension = models.CharField(max_length=16)
    value = models.CharField(max_length=256)
    requests = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost = UsdField(default=0)
    unpriced = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dimension", "value", "bucket"], name="one_spend_per_bucket")]
        indexes = [models.Index(fields=["dimension", "bucket"], name="spend_of_time")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.value} at {self.bucket}"


class SpendDay(models.Model):
    """The sums of spend's 96 quarter hours of a day (UTC), so that a month is some thirty rows a value, not 2,880."""

    day = models.DateField()
    dimension = models.CharField(max_length=16)
    value = models.CharField(max_length=256)
    requests = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost = UsdField(default=0)
    unpriced = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dimension", "day", "value"], name="one_spend_per_day")]
        indexes = [models.Index(fields=["dimension", "value", "day"], name="spend_of_value_by_day")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.value} on {self.day}"


class CarriedSpend(models.Model):
    """What the records of a month that is gone had spent under one value of one dimension, corrections included."""

    month = models.DateField()
    dimension = models.CharField(max_length=16)
    value = models.CharField(max_length=256)
    requests = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    cost = UsdField(default=0)
    unpriced = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "dimension", "value"], name="carried_once")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.value} in {self.month}"


class CarriedCharge(models.Model):
    """What the records of a month that is gone had charged one budget period, corrections included."""

    month = models.DateField()
    period = models.ForeignKey("billing.BudgetPeriod", on_delete=models.PROTECT, related_name="carried")
    amount = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "period"], name="carried_once_per_period")]

    def __str__(self) -> str:
        return f"period {self.period_id} in {self.month}"


class Verification(models.Model):
    """One run of the proof: how many differences it found."""

    at = models.DateTimeField()
    seconds = models.FloatField()
    differences = models.PositiveIntegerField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.differences} differences at {self.at}"
