"""Who may spend how much: budgets with their periods, limits, and what is granted on top."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now


class Scope(models.Model):
    """Whom a budget or a limit binds: a user, a team, a key, or everybody; for one model or for all."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    team = models.ForeignKey("accounts.Team", models.CASCADE, null=True, blank=True, related_name="+")
    api_key = models.ForeignKey("accounts.ApiKey", models.CASCADE, null=True, blank=True, related_name="+")
    model = models.CharField(
        max_length=200, blank=True, default="", help_text="A public name, or a glob such as gpt-*; empty: every model."
    )

    class Meta:
        abstract = True

    @property
    def kind(self) -> str:
        """Which of the contract's scopes this is: ``gateway``, ``user``, ``team`` or ``key``."""
        return next((kind for kind, id in self._owners.items() if id is not None), "gateway")

    @property
    def whose(self) -> str:
        """Return as "team data"; takes a query where the owner is not loaded."""
        owner = self.user or self.team or self.api_key
        return f"{self.kind} {owner}" if owner else "everybody"

    @property
    def _owners(self) -> dict[str, int | None]:
        return {"user": self.user_id, "team": self.team_id, "key": self.api_key_id}


ONE_OWNER = (
    Q(user__isnull=True, team__isnull=True)
    | Q(user__isnull=True, api_key__isnull=True)
    | Q(team__isnull=True, api_key__isnull=True)
)


class Budget(Scope):
    """An amount that a scope may spend per period. Ended rather than deleted, as periods and records name it.

    ``amount`` is in atoms of the unit (10^-10 USD, one token, one request); ``alert_at`` are shares such as 0.8.
    ``observe`` refuses nobody: who would have been refused is recorded.
    """

    UNITS = [("usd", "USD"), ("tokens", "tokens"), ("requests", "requests")]
    PERIODS = [("day", "day"), ("week", "week"), ("month", "month"), ("total", "total")]
    MODES = [("enforce", "enforce"), ("observe", "observe")]

    amount = models.BigIntegerField(help_text="Atoms of the unit.")
    unit = models.CharField(max_length=8, choices=UNITS, default="usd")
    period = models.CharField(max_length=8, choices=PERIODS, default="month")
    timezone = models.CharField(max_length=64, default="UTC", help_text="An IANA name, such as Europe/Berlin.")
    rolling = models.BooleanField(default=False, help_text="The last 24 hours, 7 or 30 days instead of the calendar's.")
    mode = models.CharField(max_length=8, choices=MODES, default="enforce")
    alert_at = models.JSONField(default=list, blank=True, help_text="Shares of the amount, such as [0.8, 1].")
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=ONE_OWNER, name="budget_of_one_owner"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="budget_not_negative"),
        ]

    def __str__(self) -> str:
        return f"budget {self.pk} of {self.whose}"


class BudgetPeriod(models.Model):
    """One period of one budget: what is posted and what is lent to processes. Made when first touched, never reset."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="periods")
    start = models.DateTimeField()
    posted = models.BigIntegerField(default=0)
    lent = models.BigIntegerField(default=0)
    wanted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "start"], name="one_row_per_period")]
        indexes = [models.Index(fields=["-wanted_at"], name="wanted_periods", condition=Q(wanted_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.budget} from {self.start}"


class BudgetHour(models.Model):
    """One hour's posted amount of a rolling budget."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="hours")
    hour = models.DateTimeField()
    posted = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "hour"], name="one_row_per_budget_hour")]

    def __str__(self) -> str:
        return f"{self.budget} in {self.hour}"


class Limit(Scope):
    """How fast a scope may go: requests and tokens a minute, requests at one time. Empty: as fast as it likes."""

    rpm = models.PositiveIntegerField("requests per minute", null=True, blank=True)
    tpm = models.PositiveIntegerField("tokens per minute", null=True, blank=True)
    parallel = models.PositiveIntegerField("requests at one time", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=ONE_OWNER, name="limit_of_one_owner")]

    def __str__(self) -> str:
        return f"limit {self.pk} of {self.whose}"


class ShadowRefusal(models.Model):
    """Whom an observed budget would have refused in a period, and how often. Ids are 0 where there is none."""

    period = models.ForeignKey(BudgetPeriod, on_delete=models.PROTECT, related_name="shadow_refusals")
    user = models.BigIntegerField(default=0)
    team = models.BigIntegerField(default=0)
    api_key = models.BigIntegerField(default=0)
    model = models.CharField(max_length=200)
    requests = models.BigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["period", "user", "team", "api_key", "model"], name="one_shadow_refusal_per_caller"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.requests} of {self.model} in {self.period_id}"


class Grant(models.Model):
    """An amount that a budget has on top of its own from ``starts_at`` to ``ends_at``; it ends by itself."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="grants")
    amount = models.BigIntegerField(help_text="Atoms of the budget's unit.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    actor = models.CharField(max_length=254)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["budget", "ends_at"], name="grants_in_force")]

    def __str__(self) -> str:
        return f"grant {self.pk}"


class RequestForMore(models.Model):
    """What a user asks for, with a reason: more of a budget, or a model, for some days; a manager or admin decides."""

    KINDS = [("raise", "raise of a budget"), ("model", "use of a model")]
    STATES = [(name, name) for name in ("waiting", "approved", "declined", "withdrawn")]

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    team = models.ForeignKey("accounts.Team", models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=8, choices=KINDS)
    budget = models.ForeignKey(Budget, models.PROTECT, null=True, related_name="+")
    amount = models.BigIntegerField(null=True, help_text="Atoms of the budget's unit.")
    model = models.CharField(max_length=200, blank=True, default="")
    days = models.PositiveIntegerField()
    reason = models.TextField()
    state = models.CharField(max_length=12, choices=STATES, default="waiting")
    decided_by = models.CharField(max_length=254, blank=True, default="")
    decided_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True, default="")
    grant = models.OneToOneField(Grant, models.PROTECT, null=True, related_name="request")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "request for more"
        verbose_name_plural = "requests for more"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"request {self.pk}"
