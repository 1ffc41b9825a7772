"""Pricing posted records again: what it would change, then the corrections, in portions that a page can wait for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminTextInputWidget

from billing import clock
from billing.reprice import YEARS, Range
from gateway import repricing

DAY = timedelta(days=1)
SHOWING_SECONDS, CORRECTING_SECONDS = 8.0, 20.0


class RangeForm(forms.Form):
    start = forms.DateField(label="From", widget=UnfoldAdminDateWidget, help_text="UTC.")
    end = forms.DateField(label="To", widget=UnfoldAdminDateWidget, help_text="This day included.")
    model = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="A public or an upstream name, or a glob such as gpt-*. Empty: every model.",
    )
    provider = forms.CharField(
        max_length=100, required=False, widget=UnfoldAdminTextInputWidget, help_text="Empty: all."
    )

    def clean_start(self) -> date:
        return _in_reach(self.cleaned_data["start"])

    def clean_end(self) -> date:
        return _in_reach(self.cleaned_data["end"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("start") and cleaned.get("end") and cleaned["start"] > cleaned["end"]:
            self.add_error("end", "Must not be before the first day.")
        return cleaned

    def range(self) -> Range:
        said = self.cleaned_data
        return Range(_midnight(said["start"]), _midnight(said["end"] + DAY), said["model"], said["provider"])


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Stands in each correction and in the audit log.",
    )


def page(request: HttpRequest, context: dict[str, Any], may_correct: bool) -> HttpResponse:
    """Return the page: a preview of the range in the address; a POST corrects it."""
    now = clock.now()
    given = request.GET if "start" in request.GET else None
    form = RangeForm(given, initial={"start": now.date().replace(day=1), "end": now.date()})
    reason = ReasonForm(request.POST or None)
    if request.method == "POST" and not may_correct:
        raise PermissionDenied
    run = None
    if given and form.is_valid():
        if request.method == "POST" and reason.is_valid():
            return _correct(request, form, reason.cleaned_data["reason"].strip())
        run = repricing.preview(form.range(), SHOWING_SECONDS)
    shown = {"title": "Price again", "form": form, "reason": reason, "run": run, "may_correct": may_correct}
    return TemplateResponse(request, "gateway/admin/reprice.html", {**context, **shown})


def _correct(request: HttpRequest, form: RangeForm, reason: str) -> HttpResponse:
    run = repricing.correct(form.range(), actor=request.user.email, reason=reason, seconds=CORRECTING_SECONDS)
    done = f"{run.total.corrected:,} records corrected."
    if run.is_whole:
        messages.success(request, done)
    else:
        messages.warning(request, f"{done} There are more: correct again to go on, or use tollgate reprice.")
    return HttpResponseRedirect(f"{reverse('admin:billing_price_reprice')}?{request.GET.urlencode()}")


def _in_reach(day: date) -> date:
    if day.year not in YEARS:
        raise forms.ValidationError(f"Must be from {YEARS[0]} to {YEARS[-1]}.")
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
