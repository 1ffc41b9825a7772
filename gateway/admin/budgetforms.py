"""A budget's terms: amounts are typed in its unit, and what makes it this budget is chosen once."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from billing import ceilings, standing
from billing.models import Budget
from gateway import zones
from gateway.admin.fields import Percents
from gateway.admin.scopeforms import FIELDS, ScopeForm

IDENTITY = ("unit", "period", "timezone", "rolling")


class TermsForm(forms.ModelForm):
    """What may change of a budget that is in force: what is spent stays spent."""

    amount = forms.DecimalField(
        min_value=0, widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"})
    )
    alert_at = Percents(
        label="Tell people at",
        required=False,
        help_text="Per cent of the amount, as 80, 100. The alert channels get it once a period.",
    )

    class Meta:
        model = Budget
        fields = ["amount", "mode", "alert_at"]
        widgets = {"mode": UnfoldAdminSelectWidget}
        help_texts = {"mode": "Observe refuses nobody, and records who would have been refused."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "amount" in self.fields:
            self.initial["amount"] = _written(self.instance)
            self.fields["amount"].help_text = f"{self.unit_words}. A lower one acts at once; what is spent stays spent."

    @property
    def unit_words(self) -> str:
        return "USD" if self.instance.unit == "usd" else self.instance.unit.capitalize()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        unit = cleaned.get("unit", self.instance.unit)
        if cleaned.get("amount") is not None:
            try:
                cleaned["amount"] = ceilings.atoms_of(cleaned["amount"], unit)
            except ceilings.AmountRefused as refused:
                self.add_error("amount", f"{str(refused)[:1].upper()}{str(refused)[1:]}.")
        return cleaned


class BudgetForm(ScopeForm, TermsForm):
    """A new budget: whom it binds, how much, in which period."""

    timezone = forms.ChoiceField(
        choices=lambda: [(name, name) for name in zones.names()],
        initial="UTC",
        label="Time zone",
        widget=UnfoldAdminSelectWidget,
        help_text="In whose calendar the period begins.",
    )

    class Meta(TermsForm.Meta):
        fields = [*FIELDS, "amount", *IDENTITY, "mode", "alert_at"]
        widgets = {
            **TermsForm.Meta.widgets,
            "unit": UnfoldAdminSelectWidget,
            "period": UnfoldAdminSelectWidget,
            "rolling": UnfoldBooleanSwitchWidget,
        }
        help_texts = {
            **TermsForm.Meta.help_texts,
            "unit": "Tokens count prompt and answer.",
            "rolling": "The last 24 hours, 7 or 30 days instead of the calendar's.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("rolling") and cleaned.get("period") == "total":
            self.add_error("rolling", "A total has no window that could roll.")
        if not self.errors and self._twin() is not None:
            raise forms.ValidationError("There is such a budget already: change its amount instead.")
        return cleaned

    def _twin(self) -> Budget | None:
        same = {name: self.cleaned_data[name] for name in IDENTITY}
        return Budget.objects.filter(ended_at=None, **self.owner(), **same).first()


def _written(budget: Budget) -> str:
    text = f"{standing.in_unit(budget, budget.amount):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
