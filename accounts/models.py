"""Who may ask: users, teams, memberships and API keys."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from accounts import callers, roles


class UserManager(BaseUserManager["User"]):
    """Makes users; an address is one person whatever its case."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, email: str) -> User:
        return self.get(email=email.strip().lower())


class User(AbstractBaseUser):
    """A person, signing in by e-mail. Never deleted while the ledger names them: deactivated."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=16, choices=roles.GATEWAY_ROLES, default=roles.MEMBER)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email.partition("@")[0]

    @property
    def is_staff(self) -> bool:
        return self.is_active and roles.may_enter_admin(self.role)

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.role == roles.ADMIN

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and roles.has_permission(self.role, perm)

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff

    def as_person(self) -> roles.Person:
        """Return who this is to the rules in ``roles``; takes a query."""
        teams = dict(self.memberships.values_list("team_id", "role"))
        return roles.Person(self.pk, self.role, teams, self.is_active)


class Team(models.Model):
    """People who share models and money. ``models`` are globs; an empty list allows every model."""

    name = models.CharField(max_length=200, unique=True)
    models_allowed = models.JSONField("models", default=list, blank=True)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        _check_texts("models_allowed", self.models_allowed)


class Membership(models.Model):
    """One user's place in one team."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=roles.TEAM_ROLES, default=roles.MEMBER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class ApiKey(models.Model):
    """A bearer secret's digest and what it allows. Belongs to a user, or to a team alone (a service account)."""

    public_id = models.CharField("prefix", max_length=64, unique=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    name = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="api_keys")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="api_keys")
    models_allowed = models.JSONField("models", default=list, blank=True)
    addresses = models.JSONField(default=list, blank=True)
    may_override = models.BooleanField(
        "may name its own upstream",
        default=False,
        db_default=False,
        help_text="Its calls may say api_base, api_key, api_version and custom_llm_provider.",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    rotated_from = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="rotated_to"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(user__isnull=False) | Q(team__isnull=False), name="key_has_an_owner")
        ]

    def __str__(self) -> str:
        return self.name or self.public_id

    @property
    def owner(self) -> roles.Owner:
        return roles.Owner(self.user_id, self.team_id)

    def clean(self) -> None:
        _check_texts("models_allowed", self.models_allowed)
        _check_texts("addresses", self.addresses)
        try:
            callers.networks(self.addresses)
        except ValueError as error:
            raise ValidationError({"addresses": str(error)}) from error


class ModelGrant(models.Model):
    """A model that a user's keys may use from ``starts_at`` to ``ends_at`` whatever their lists say; ends by itself.

    Where a ``team`` granted it, keys that carry another team keep to their lists: those are not its to lift.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="model_grants")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    model = models.CharField(max_length=200, help_text="A public name or glob.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    actor = models.CharField(max_length=254)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.model} for {self.user}"


class ConfigVersion(models.Model):
    """One row, raised by database triggers whenever configuration changes, bulk updates and raw SQL included."""

    version = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.version)


def _check_texts(field: str, value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValidationError({field: 'Must be a list of texts, such as ["gpt-*"].'})
