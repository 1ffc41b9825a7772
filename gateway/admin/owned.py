"""What pages of callers' things have in common: found by id or owner, paged by number, one line for whose they are."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse

from billing import reports
from billing.reports import Page
from gateway.admin.base import ReadOnlyAdmin

SIZE = 50


class OwnedAdmin(ReadOnlyAdmin):
    """Only the gateway's callers write these; admins see what there is, and end what hangs."""

    def admit(self, request: HttpRequest, *, as_admin: bool = False) -> None:
        """Raise ``PermissionDenied`` for who may not look, or not as an admin may."""
        may = self.may_as_admin(request) if as_admin else self.has_view_permission(request)
        if not may:
            raise PermissionDenied

    def may_as_admin(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"gateway.change_{self.opts.model_name}"))

    def one(self, object_id: str) -> Any:
        """Return the row of a number. Raises ``Http404``."""
        rows = self.model.objects.select_related("user", "team", "api_key")
        row = rows.filter(pk=object_id).first() if object_id.isdecimal() and len(object_id) < 19 else None
        if row is None:
            raise Http404
        return row

    def page(self, request: HttpRequest, template: str, title: str, **context: object) -> TemplateResponse:
        common = {**self.admin_site.each_context(request), "title": title, "given": request.GET}
        return TemplateResponse(request, f"gateway/admin/{template}", {**common, **context})


def paged(request: HttpRequest, rows: QuerySet[Any], size: int = SIZE) -> Page:
    """Return the page of rows that the address asks for, the newest first."""
    before, after = (_number(request.GET.get(name, "")) for name in ("before", "after"))
    return reports.page(rows, size, before=before, after=after)  # type: ignore[arg-type]


def kept(request: HttpRequest) -> str:
    """Return the address's filters without its place."""
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    return query.urlencode()


def searched(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip().replace("\0", "")


def of_owner(words: str) -> Q:
    return Q(user__email__icontains=words) | Q(team__name__icontains=words)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None
