"""Where calls go: providers, model routes and their targets."""

from __future__ import annotations

from django.db import models

from providers.secrets import EncryptedField


class Provider(models.Model):
    """An upstream account: an adapter, an address and a secret that is never shown again."""

    name = models.CharField(max_length=100, unique=True)
    adapter = models.CharField(max_length=50, default="openai")
    base_url = models.CharField("base URL", max_length=500, blank=True)
    secret = EncryptedField(blank=True, default="")
    options = models.JSONField(default=dict, blank=True)
    quirks = models.JSONField(default=dict, blank=True)
    price_book = models.CharField(max_length=100, blank=True, help_text="Whose prices apply; the name where empty.")
    paused_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ModelRoute(models.Model):
    """A model's public name and how its targets are tried. A trailing ``*`` matches a family."""

    STRATEGIES = [
        ("ordered", "ordered"),
        ("weighted", "weighted: by chance, as their weights say"),
        ("latency", "latency: the fastest first"),
        ("least_busy", "least busy: fewest calls under way"),
        ("cost", "cost: the cheapest for the call first"),
    ]
    CLIENT_GONE = [("estimate", "estimate what was delivered"), ("read_on", "read on to the true usage")]
    INTERRUPTED = [("estimate", "prompt and what was delivered"), ("bound", "the most it can have cost")]
    UNPRICED = [("", "as the gateway"), ("block", "block"), ("allow", "allow")]
    ON_UNSUPPORTED = [("", "as the gateway"), ("drop", "drop"), ("refuse", "refuse")]
    FALLBACK_ACCESS = [("key", "models that the key may use"), ("all", "any, whoever may use this model")]

    model = models.CharField(max_length=200, unique=True)
    aliases = models.JSONField(default=list, blank=True)
    operations = models.JSONField(default=list, blank=True, help_text="Empty: whatever its targets can do.")
    strategy = models.CharField(max_length=20, choices=STRATEGIES, default="ordered")
    retries = models.PositiveSmallIntegerField(default=2)
    fallbacks = models.JSONField(
        default=list, blank=True, help_text="Models that answer, in this order, when no target of this one does."
    )
    context_fallbacks = models.JSONField(
        default=list, blank=True, help_text="Models that answer when an upstream finds the prompt too long."
    )
    content_fallbacks = models.JSONField(
        default=list, blank=True, help_text="Models that answer when an upstream finds the request against its policy."
    )
    deadline = models.FloatField(
        null=True, blank=True, help_text="Seconds for all attempts and the answer together; none where empty."
    )
    cooldown = models.JSONField(
        default=dict,
        blank=True,
        help_text='When a failing target is left alone, as {"attempts": 5, "share": 0.5, "seconds": 30}.',
    )
    hedge = models.JSONField(
        default=dict,
        blank=True,
        help_text='When a second target is asked beside a slow one, as {"after_percentile": 95}.',
    )
    cache = models.JSONField(
        default=dict,
        blank=True,
        help_text=(
            'How long answers are given again to whom, as {"ttl": 300, "share": "key"}: '
            "seconds, and key, team or all; off where empty."
        ),
    )
    cache_version = models.PositiveIntegerField(default=0, editable=False, help_text="Raised to forget what is cached.")
    unpriced = models.CharField(max_length=8, choices=UNPRICED, blank=True, default="")
    on_unsupported = models.CharField(
        max_length=8,
        choices=ON_UNSUPPORTED,
        blank=True,
        default="",
        help_text="What becomes of a parameter that shapes the answer where an upstream does not know it.",
    )
    fallback_access = models.CharField(
        max_length=8, choices=FALLBACK_ACCESS, default="key", help_text="Which fallbacks a call may be answered by."
    )
    client_gone = models.CharField(
        max_length=8, choices=CLIENT_GONE, default="estimate", help_text="How a call is billed whose client has left."
    )
    interrupted = models.CharField(
        max_length=8, choices=INTERRUPTED, default="estimate", help_text="How a call is billed whose process died."
    )
    default = models.BooleanField(default=False, help_text="Answers a body without a model.")
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["model"]
        verbose_name = "model route"

    def __str__(self) -> str:
        return self.model


class Target(models.Model):
    """One provider's model behind a route. Lower priorities are tried first, then as the route's strategy says."""

    route = models.ForeignKey(ModelRoute, on_delete=models.CASCADE, related_name="targets")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="targets")
    upstream_model = models.CharField(max_length=200, blank=True, help_text="Empty: the name the caller used.")
    priority = models.PositiveSmallIntegerField(default=0)
    position = models.PositiveSmallIntegerField(default=0)
    weight = models.PositiveSmallIntegerField(
        default=1, help_text="Share of its priority's calls where the strategy is weighted; 0 stands in for others."
    )
    rpm = models.PositiveIntegerField(null=True, blank=True, help_text="Most attempts a minute, whoever calls.")
    tpm = models.PositiveIntegerField(null=True, blank=True, help_text="Most tokens a minute, whoever calls.")
    timeout = models.FloatField(null=True, blank=True, help_text="Seconds for the whole answer.")
    context_window = models.PositiveIntegerField(
        null=True, blank=True, help_text="Most tokens of a prompt: bounds what a call can cost."
    )
    max_output = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Most tokens of an answer where the caller names no maximum; 16384 where empty.",
    )
    paused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["route", "priority", "position", "id"]

    def __str__(self) -> str:
        return f"{self.route} → {self.provider}/{self.upstream_model or '*'}"
