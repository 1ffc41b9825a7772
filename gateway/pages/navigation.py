"""The sidebar: what there is to go to, in the order one needs it."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

GROUPS = [
    (
        "",
        [
            ("Overview", "monitoring", "admin:index"),
            ("Spend", "payments", "spend"),
            ("Requests", "receipt_long", "admin:billing_usagerecord_changelist"),
        ],
    ),
    (
        "Who asks",
        [
            ("API keys", "key", "admin:accounts_apikey_changelist"),
            ("Users", "person", "admin:accounts_user_changelist"),
            ("Teams", "group", "admin:accounts_team_changelist"),
        ],
    ),
    (
        "How much",
        [
            ("Budgets", "savings", "admin:billing_budget_changelist"),
            ("Limits", "speed", "admin:billing_limit_changelist"),
            ("Requests for more", "volunteer_activism", "admin:billing_requestformore_changelist"),
            ("Grants", "redeem", "admin:billing_grant_changelist"),
            ("Model grants", "deployed_code_account", "admin:accounts_modelgrant_changelist"),
        ],
    ),
    (
        "Where it goes",
        [
            ("Models and routes", "alt_route", "admin:providers_modelroute_changelist"),
            ("Providers", "dns", "admin:providers_provider_changelist"),
            ("Prices", "sell", "admin:billing_price_changelist"),
            ("Bills", "request_quote", "admin:billing_bill_changelist"),
            ("Margins", "percent", "admin:billing_markup_changelist"),
        ],
    ),
    (
        "Assistants",
        [
            ("Assistants", "smart_toy", "admin:gateway_assistant_changelist"),
            ("Threads", "forum", "admin:gateway_thread_changelist"),
            ("Runs", "directions_run", "admin:gateway_run_changelist"),
        ],
    ),
    (
        "Gateway",
        [
            ("Health", "vital_signs", "health"),
            ("Alerts", "notifications", "admin:billing_alert_changelist"),
            ("Alert channels", "forward_to_inbox", "admin:gateway_alertchannel_changelist"),
            ("Audit log", "history", "admin:auditlog_logentry_changelist"),
        ],
    ),
]


def link_of(name: str) -> str | None:
    """Return where a page is, None where there is none of this name."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return None


def groups(request: HttpRequest) -> list[dict[str, object]]:
    return [
        {
            "title": title,
            "separator": bool(title),
            "items": [
                {"title": name, "icon": icon, "link": link} for name, icon, url in items if (link := link_of(url))
            ],
        }
        for title, items in GROUPS
    ]
