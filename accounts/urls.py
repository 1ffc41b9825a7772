"""Signing in and out, under /accounts/."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.signin import SignInView

urlpatterns = [
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="login"), name="logout"),
]
