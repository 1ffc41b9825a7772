"""Users: who may sign in, as what, in which teams, and what they spend."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import password_validation
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts import roles
from accounts.models import Membership, User
from billing import reports
from gateway.admin import bounded, spending
from gateway.admin.base import BAD, OK, Admin, count, pill, since
from gateway.admin.fields import Secret
from gateway.templatetags import figures


class UserForm(forms.ModelForm):
    """A person: the password is set here and never shown; who only calls the API needs none."""

    password_to_set = Secret(
        label="New password", help_text="At least 12 characters. Leave empty to keep what is set; only for signing in."
    )

    class Meta:
        model = User
        fields = ["email", "name", "role", "is_active"]

    def clean_email(self) -> str:
        return self.cleaned_data["email"].strip().lower()

    def clean_password_to_set(self) -> str:
        password = self.cleaned_data["password_to_set"]
        if password:
            password_validation.validate_password(password, self.instance)
        return password

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        stays_admin = cleaned.get("role") == roles.ADMIN and cleaned.get("is_active")
        if self.instance.is_superuser and not stays_admin and self._is_last_admin():
            raise forms.ValidationError("This is the last active admin. Make somebody else an admin first.")
        return cleaned

    def _is_last_admin(self) -> bool:
        admins = User.objects.filter(role=roles.ADMIN, is_active=True)
        return self.instance.pk is not None and not admins.exclude(pk=self.instance.pk).exists()

    def save(self, commit: bool = True) -> User:
        password = self.cleaned_data["password_to_set"]
        if password:
            self.instance.set_password(password)
        elif self.instance.pk is None:
            self.instance.set_unusable_password()
        return super().save(commit)


class MembershipInline(TabularInline):
    """A team of the user. The one relation that is taken away again: it names nobody in the ledger."""

    model = Membership
    extra = 0
    autocomplete_fields = ["team"]


@admin.register(User)
class UserAdmin(Admin):
    form = UserForm
    add_words = "Add user"
    inlines = [MembershipInline]
    list_display = ["who", "role_shown", "state", "team_count", "key_count", "spent", "budget", "signed_in"]
    list_filter = ["role", "is_active", ("teams", admin.RelatedOnlyFieldListFilter)]
    change_form_outer_after_template = "gateway/admin/own_money.html"
    search_fields = ["email", "name"]
    fieldsets = [
        (None, {"fields": ["email", "name", "role", "is_active"]}),
        ("Signing in", {"fields": ["password_to_set"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list[tuple[str | None, dict]]:
        sets = super().get_fieldsets(request, obj)
        return sets if self.has_change_permission(request, obj) else sets[:1]

    def get_queryset(self, request: HttpRequest) -> Any:
        living = Q(api_keys__revoked_at=None)
        return (
            super()
            .get_queryset(request)
            .annotate(teams_n=Count("teams", distinct=True), keys_n=Count("api_keys", filter=living, distinct=True))
        )

    def describe(self, rows: list[User]) -> None:
        spending.add_month(rows, "user")
        bounded.add_budgets(rows, "user")

    def row_context(self, row: User) -> dict[str, Any]:
        return bounded.context_of(row, "user")

    def list_state(self, request: HttpRequest) -> SafeString:
        by_role = dict(User.objects.filter(is_active=True).values_list("role").annotate(Count("id")).order_by())
        start = spending.month_start()
        spenders = len(reports.by_value("user", start, timezone.now()))
        return format_html(
            "<b>{}</b>: {}, {} and {} · {} called the gateway this month",
            count(sum(by_role.values()), "active user"),
            count(by_role.get(roles.ADMIN, 0), "admin"),
            count(by_role.get(roles.VIEWER, 0), "viewer"),
            count(by_role.get(roles.MEMBER, 0), "member"),
            spenders,
        )

    def row_state(self, request: HttpRequest, row: User) -> SafeString:
        month = spending.month_of("user", row.pk)
        keys = f"{reverse('admin:accounts_apikey_changelist')}?q={row.email}"
        records = f"{reverse('admin:billing_usagerecord_changelist')}?user={row.pk}"
        return format_html(
            '{}{} this month in {} · <a href="{}">{}</a> · <a href="{}">requests</a> · {}',
            bounded.sentence(row, "user"),
            figures.spent(month),
            count(month.requests, "request"),
            keys,
            count(row.api_keys.filter(revoked_at=None).count(), "living key"),
            records,
            since(row.last_login, "signed in"),
        )

    @display(description="User", ordering="email")
    def who(self, user: User) -> SafeString:
        return format_html('{} <span class="tg-subtle">{}</span>', user.email, user.name)

    @display(description="Role", ordering="role")
    def role_shown(self, user: User) -> str:
        return user.role

    @display(description="Status", ordering="is_active")
    def state(self, user: User) -> SafeString:
        return pill("active", OK) if user.is_active else pill("deactivated", BAD)

    @display(description="Teams", ordering="teams_n")
    def team_count(self, user: User) -> int:
        return user.teams_n

    @display(description="Living keys", ordering="keys_n")
    def key_count(self, user: User) -> int:
        return user.keys_n

    @display(description="Budget")
    def budget(self, user: User) -> SafeString | str:
        return bounded.cell(user)

    @display(description="This month")
    def spent(self, user: User) -> SafeString:
        return figures.spent(user.month)

    @display(description="Signed in", ordering="last_login")
    def signed_in(self, user: User) -> SafeString | str:
        return figures.ago(user.last_login)
