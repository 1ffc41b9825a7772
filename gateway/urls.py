"""The pages' URLs on one screen; the API's are in gateway/api.py."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from gateway.pages.docs import docs, openapi
from gateway.pages.health import health
from gateway.pages.home import home
from gateway.pages.spend import spend

admin.autodiscover()

urlpatterns = [
    path("", home, name="home"),
    path("docs", docs, name="docs"),
    path("openapi.json", openapi, name="openapi"),
    path("accounts/", include("accounts.urls")),
    path("admin/spend/", admin.site.admin_view(spend), name="spend"),
    path("admin/health/", admin.site.admin_view(health), name="health"),
    path("admin/", admin.site.urls),
]
handler404 = "gateway.pages.missing.missing"
