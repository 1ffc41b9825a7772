"""Prices: what is paid per token, since when. Rows are never edited: a new price is a new dated row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from billing import clock
from billing.models import Price
from gateway.admin import repricing
from gateway.admin.base import ReadOnlyAdmin
from gateway.admin.priceforms import PriceForm
from gateway.admin.pricelist import RECENTLY, Shelf, current_of, routed, shelves, unpriced_targets, unpriced_usage
from providers.models import Provider
from providers.routes import price_book_of

VIEWS = {"current": "In force", "future": "To come", "history": "History"}
PER_PAGE = 40
EVERYTHING = "all"


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    search_fields = ["upstream_model", "provider"]

    def get_urls(self) -> list[URLPattern]:
        own = path("reprice/", self.admin_site.admin_view(self.reprice_view), name="billing_price_reprice")
        return [own, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.add_price")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = clock.now()
        books = sorted({price_book_of(provider) for provider in Provider.objects.all()})
        view = request.GET.get("view") if request.GET.get("view") in VIEWS else "current"
        book, text = request.GET.get("book", ""), request.GET.get("q", "").strip()
        rows = _chosen(book, text, now)
        if view == "current":
            page = _page(request, shelves(rows, now))
        else:
            dated = rows.filter(valid_from__gt=now) if view == "future" else rows
            page = _page(
                request, dated.order_by("-valid_from", "provider", "upstream_model", "component", "above_tokens")
            )
        context = {
            **self.admin_site.each_context(request),
            "title": "Prices",
            "unpriced": unpriced_targets(now),
            "unpriced_usage": unpriced_usage(now),
            "recently": {"start": f"{now - RECENTLY:%Y-%m-%d}", "end": f"{now:%Y-%m-%d}"},
            "view": view,
            "views": VIEWS,
            "book": book,
            "books": books,
            "others": Price.objects.exclude(provider__in=books).values("provider").distinct().count(),
            "q": text,
            "page_obj": page,
            "rows": page.object_list,
            "columns": Shelf.COLUMNS,
            "may_add": self.has_add_permission(request),
            "now": now,
        }
        return TemplateResponse(request, "gateway/admin/prices.html", {**context, **(extra_context or {})})

    def reprice_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return repricing.page(request, self.admin_site.each_context(request), self.has_add_permission(request))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        now = clock.now()
        given = request.GET.dict()
        form = PriceForm(request.POST or None, initial={"valid_from": now.replace(microsecond=0), **given}, now=now)
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    rows = form.save()
            except IntegrityError:
                form.add_error("valid_from", "There is a price from this very moment. Choose a later one.")
            else:
                messages.success(request, f"{len(rows)} prices of {rows[0].provider}/{rows[0].upstream_model} are set.")
                return HttpResponseRedirect(f"{reverse('admin:billing_price_changelist')}?q={rows[0].upstream_model}")
        context = {
            **self.admin_site.each_context(request),
            "title": "Add a price",
            "form": form,
            "present": current_of(given.get("provider", ""), given.get("upstream_model", ""), now),
        }
        return TemplateResponse(request, "gateway/admin/price_add.html", context)


def _chosen(book: str, text: str, now: datetime) -> QuerySet[Price]:
    """Return the rows of one book, of all, or else of what the routes use; where a text is looked for, with it."""
    rows = Price.objects.all()
    if book not in ("", EVERYTHING):
        rows = rows.filter(provider=book)
    elif book == "" and not text:
        rows = rows.filter(routed(now))
    return rows.filter(Q(upstream_model__icontains=text) | Q(provider__icontains=text)) if text else rows


def _page(request: HttpRequest, rows: Any) -> Any:
    return Paginator(rows, PER_PAGE).get_page(request.GET.get("p"))
