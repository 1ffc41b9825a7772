"""The tables of money: prices, budgets, the journal's segments, the ledger (the protocol is docs/money.md)."""

from billing.models.alerts import Alert
from billing.models.bills import Bill, BillLine
from billing.models.budgets import (
    Budget,
    BudgetHour,
    BudgetPeriod,
    Grant,
    Limit,
    RequestForMore,
    ShadowRefusal,
)
from billing.models.journals import Allowance, Holder, RejectedLine, Segment
from billing.models.ledger import (
    Adjustment,
    CarriedCharge,
    CarriedSpend,
    Spend,
    SpendDay,
    UsageRecord,
    Verification,
)
from billing.models.prices import Markup, Price

__all__ = [
    "Adjustment",
    "Alert",
    "Allowance",
    "Bill",
    "BillLine",
    "Budget",
    "BudgetHour",
    "BudgetPeriod",
    "CarriedCharge",
    "CarriedSpend",
    "Grant",
    "Holder",
    "Limit",
    "Markup",
    "Price",
    "RejectedLine",
    "RequestForMore",
    "Segment",
    "ShadowRefusal",
    "Spend",
    "SpendDay",
    "UsageRecord",
    "Verification",
]
