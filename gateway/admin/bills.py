"""Bills: what providers say they were owed, uploaded and set beside the ledger."""

from __future__ import annotations

import csv
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from billing import comparing
from billing.bills import reading
from billing.bills.comparison import Row, total
from billing.bills.lines import BillUnreadable
from billing.models import Bill
from gateway.admin.base import ReadOnlyAdmin
from gateway.pages import tables
from providers.models import Provider

SHOWN_BILLS, SHOWN_ROWS = 100, 500
# what is worth a look: a share of the bill, and more than rounding to cents explains
SHARE, USD = Decimal("0.01"), Decimal("0.01")
COLUMNS = (
    "day", "model", "their_cost_usd", "our_cost_usd", "difference_usd", "difference_percent", "their_requests",
    "our_requests", "their_input_tokens", "our_input_tokens", "their_output_tokens", "our_output_tokens",
    "our_unpriced_requests",
)  # fmt: skip


class UploadForm(forms.Form):
    provider = forms.ChoiceField(widget=UnfoldAdminSelectWidget, help_text="Whose account the export is of.")
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="CSV or JSON, of at most 20 MiB: usage or costs, per day and model.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Provider.objects.order_by("name").values_list("name", flat=True)
        self.fields["provider"].choices = [(name, name) for name in names]

    def clean_file(self) -> UploadedFile:
        file = self.cleaned_data["file"]
        if file.size > reading.MOST_BYTES:
            raise forms.ValidationError("The file has more than 20 MiB: export a shorter time.")
        return file


class Shown(NamedTuple):
    """A row as the page shows it: the difference as a share of the bill, and whether it is worth a look."""

    row: Row
    share: Decimal | None
    is_odd: bool


def shown(row: Row) -> Shown:
    difference, theirs = row.difference, row.their_cost
    share = 100 * difference / theirs if difference is not None and theirs else None
    is_odd = difference is not None and abs(difference) > USD and abs(difference) > SHARE * abs(theirs or 0)
    return Shown(row, share, is_odd)


@admin.register(Bill)
class BillAdmin(ReadOnlyAdmin):
    actions_detail = ["remove"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.add_bill")

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.delete_bill")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._list(request, UploadForm())

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            bill = self._taken_in(request, form)
            if bill is not None:
                return HttpResponseRedirect(reverse("admin:billing_bill_change", args=[bill.pk]))
        return self._list(request, form)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        bill = self._bill(request, object_id)
        comparison = comparing.compared(bill)
        if request.GET.get("format") == "csv":
            return _csv(bill, comparison.rows)
        rows = [shown(row) for row in comparison.rows]
        odd = request.GET.get("show") == "odd"
        whole = total(comparison.rows)
        listed = [each for each in rows if each.is_odd] if odd else rows
        context = {
            "bill": bill,
            "days": (comparison.rows[0].day, comparison.rows[-1].day),
            "rows": listed[:SHOWN_ROWS],
            "models": _by_model(comparison.rows),
            "left_out": max(0, len(listed) - SHOWN_ROWS),
            "only_odd": odd,
            "odd": sum(each.is_odd for each in rows),
            "total": shown(whole),
            "tells_usage": whole.theirs is not None and not whole.theirs._replace(cost=None).is_empty,
            "others": comparison.others,
            "gone_before": comparison.gone_before,
            "imported_on": bill.created_at.date(),
            "may_remove": self.has_remove_permission(request),
        }
        return self._page(request, "gateway/admin/bill.html", f"Bill {bill.name}", **context)

    @action(description="Remove", url_path="remove", permissions=["remove"])
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        bill = self._bill(request, object_id)
        if request.method == "POST":
            bill.delete()
            messages.success(request, f"The bill {bill.name} is removed. The ledger is as it was.")
            return HttpResponseRedirect(reverse("admin:billing_bill_changelist"))
        return self._page(request, "gateway/admin/bill_remove.html", f"Remove {bill.name}", bill=bill)

    def _taken_in(self, request: HttpRequest, form: UploadForm) -> Bill | None:
        file = form.cleaned_data["file"]
        try:
            bill, is_new = comparing.take_in(
                file.read(), provider=form.cleaned_data["provider"], name=file.name, actor=request.user.email
            )
        except BillUnreadable as error:
            text = str(error)
            form.add_error("file", f"{text[:1].upper()}{text[1:]}.")
            return None
        if not is_new:
            messages.info(request, "This file was imported already; nothing has changed.")
        return bill

    def _list(self, request: HttpRequest, form: UploadForm) -> HttpResponse:
        bills = list(Bill.objects.order_by("-created_at", "-pk")[:SHOWN_BILLS])
        spans = comparing.spans(bills)
        context = {
            "bills": [(bill, *spans.get(bill.pk, (None, None))) for bill in bills],
            "providers": sorted({bill.provider for bill in bills}),
            "form": form,
            "may_add": self.has_add_permission(request),
        }
        return self._page(request, "gateway/admin/bills.html", "Bills", **context)

    def _bill(self, request: HttpRequest, object_id: str) -> Bill:
        bill = self.get_object(request, object_id)
        if bill is None:
            raise Http404
        return bill

    def _page(self, request: HttpRequest, template: str, title: str, **context: object) -> TemplateResponse:
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), "title": title, **context})


def _by_model(rows: list[Row]) -> list[Shown]:
    """Return the sum of each model, the largest difference first."""
    models: dict[str, list[Row]] = {}
    for row in rows:
        models.setdefault(row.model, []).append(row)
    sums = [shown(_sum_of(model, each)) for model, each in models.items()]
    return sorted(sums, key=lambda each: (-abs(each.row.difference or 0), each.row.model))


def _sum_of(model: str, rows: list[Row]) -> Row:
    whole = total(rows)
    return whole._replace(model=model, ours=whole.ours if any(row.ours for row in rows) else None)


def _csv(bill: Bill, rows: list[Row]) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="bill-{bill.pk}.csv"'
    writer = csv.writer(response)
    writer.writerow(COLUMNS)
    writer.writerows([tables.safe(cell) for cell in _cells(row)] for row in rows)
    return response


def _cells(row: Row) -> tuple[Any, ...]:
    theirs, ours, share = row.theirs, row.ours, shown(row).share
    return (
        row.day and row.day.isoformat(),
        row.model or "all models",
        row.their_cost,
        ours and ours.cost,
        row.difference,
        None if share is None else share.quantize(Decimal("0.01")),
        theirs and theirs.requests,
        ours and ours.requests,
        theirs and theirs.input_tokens,
        ours and ours.input_tokens,
        theirs and theirs.output_tokens,
        ours and ours.output_tokens,
        ours and ours.unpriced,
    )
