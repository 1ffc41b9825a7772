"""What one says when answering a request for more, or when granting something unasked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from billing import grants, standing
from billing.models import Budget, RequestForMore
from gateway.fieldchecks import Invalid
from gateway.more_body import LONGEST_TEXT, atoms
from gateway.pages.budgets import in_force, name_of

UNITS = {"usd": "USD", "tokens": "Tokens", "requests": "Requests"}
OF_BUDGETS = "In the budget's unit: dollars, tokens or requests."


def days_field() -> forms.IntegerField:
    return forms.IntegerField(
        label="For how many days",
        min_value=1,
        max_value=grants.MOST_DAYS,
        initial=7,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def amount_field(help_text: str = OF_BUDGETS) -> forms.DecimalField:
    widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"})
    return forms.DecimalField(label="How much more", help_text=help_text, widget=widget)


def text_field(label: str, help_text: str, *, required: bool) -> forms.CharField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})
    return forms.CharField(
        label=label, help_text=help_text, required=required, max_length=LONGEST_TEXT, strip=True, widget=widget
    )


class AnswerForm(forms.Form):
    """What is said to whom asked."""

    answer = text_field("Answer", "Whoever asked sees it, with your address.", required=False)


class ApproveForm(AnswerForm):
    """What is granted: as asked for, unless it is changed here."""

    days = days_field()
    field_order = ["amount", "days", "answer"]

    def __init__(self, request: RequestForMore, *args: Any) -> None:
        self.budget = request.budget
        initial: dict[str, Any] = {"days": request.days}
        if request.budget is not None:
            initial["amount"] = typed(request.budget, request.amount)
        super().__init__(*args, initial=initial)
        if request.budget is not None:
            self.fields["amount"] = amount_field(UNITS[request.budget.unit])
            self.order_fields(self.field_order)

    def clean_amount(self) -> int:
        return _atoms(self.cleaned_data["amount"], self.budget)

    def terms(self) -> dict[str, Any]:
        """Return the arguments of ``grants.approve``."""
        return {name: self.cleaned_data[name] for name in ("answer", "days", "amount") if name in self.cleaned_data}


class BudgetChoice(forms.ModelChoiceField):
    """A budget by whose it is."""

    def label_from_instance(self, budget: Budget) -> str:
        period = f"rolling {budget.period}" if budget.rolling else budget.period
        return f"{name_of(budget)}: {typed(budget, budget.amount)} {UNITS[budget.unit]}, {period}"


class GrantForm(forms.Form):
    """More of a budget for some days."""

    budget = BudgetChoice(in_force(), widget=UnfoldAdminSelectWidget)
    amount = amount_field()
    days = days_field()
    reason = text_field("Why", "Stands beside the grant.", required=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["budget"].queryset = in_force().select_related("user", "team", "api_key").order_by("pk")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "budget" in cleaned and "amount" in cleaned:
            try:
                cleaned["amount"] = _atoms(cleaned["amount"], cleaned["budget"])
            except forms.ValidationError as refused:
                self.add_error("amount", refused)
        return cleaned


class ModelGrantForm(forms.Form):
    """A model for a user for some days."""

    user = forms.ModelChoiceField(User.objects.filter(is_active=True), widget=UnfoldAdminSelectWidget)
    model = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="A public name or a glob, as gpt-*. It passes the lists of the user's keys and teams.",
    )
    days = days_field()
    reason = text_field("Why", "Stands beside the grant.", required=True)


def typed(budget: Budget, atoms: int) -> str:
    """Return an amount as one types it: 20 and not 20.0000000000."""
    text = f"{standing.in_unit(budget, atoms):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _atoms(amount: Decimal, budget: Budget) -> int:
    try:
        return atoms(str(amount), budget.unit)
    except Invalid as refused:
        raise forms.ValidationError(refused.message.removeprefix("Invalid value for 'amount': ")) from None
