"""Signing in by e-mail and password, with a lock after too many failed tries."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.urls import reverse
from unfold.forms import AuthenticationForm

from accounts.middleware import address_of
from accounts.models import User
from accounts.sessions import LOCK, is_locked

LOCKED = "Too many failed tries. Wait {minutes} minutes and try again, or ask an admin for a new password."


class Backend(ModelBackend):
    """Django's, behind the lock: whichever page asks, a locked pair of address and e-mail is refused unread."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **fields: object
    ) -> User | None:
        if username and is_locked(username, address_of(request) if request else None):
            raise PermissionDenied
        return super().authenticate(request, username=username, password=password, **fields)


class SignInForm(AuthenticationForm):
    """Anybody active may sign in; where they may go is decided there."""

    def confirm_login_allowed(self, user: User) -> None:
        if not user.is_active:
            raise self.get_invalid_login_error()

    def get_invalid_login_error(self) -> ValidationError:
        if is_locked(self.cleaned_data.get("username", ""), address_of(self.request)):
            return ValidationError(LOCKED.format(minutes=int(LOCK.total_seconds() // 60)), code="locked")
        return ValidationError("No active user has this e-mail and password.", code="invalid_login")


class SignInView(LoginView):
    authentication_form = SignInForm
    template_name = "admin/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        page = {"title": "Sign in", "app_path": self.request.get_full_path()}
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs), **page}

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index") if self.request.user.is_staff else "/"
