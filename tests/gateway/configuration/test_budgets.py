"""Budgets, limits, managers and alert channels of a file become rows; a list is the whole list of its owner."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry

from accounts import issuing
from accounts.models import ApiKey, Membership, Team, User
from billing.models import Budget, BudgetPeriod, Limit
from gateway import snapshot
from gateway.models import AlertChannel
from providers import routes
from providers.models import Target
from providers.secrets import decrypt
from tests.gateway.configuration.conftest import PROVIDER

pytestmark = pytest.mark.django_db

USD = 10**10
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVERYBODY = """
settings: {bound_margin: 1.2}
budgets:
  - {amount: 5000, timezone: Europe/Berlin, alert_at: [1, 0.8, 0.8]}
  - {amount: 1000000, unit: tokens, period: day, rolling: true, model: "gpt-*", mode: observe}
routes:
  - {model: gpt-4o, client_gone: read_on, interrupted: bound, limits: {parallel: 5},
     budgets: [{amount: 10, unit: requests, period: total}],
     targets: [{provider: openai, context_window: 128000, max_output: 4096}]}
teams:
  - {name: data, managers: [Lead@example.com], limits: {rpm: 600, tpm: 1000000}, budgets: [{amount: 500}]}
users:
  - {email: lead@example.com}
  - {email: dev@example.com, teams: [data], budgets: [{amount: 0.5, model: gpt-4o}], limits: {rpm: 60}}
"""


def budgets(**where):
    columns = ("user__email", "team__name", "model", "amount", "unit", "period", "timezone", "rolling", "mode")
    return list(Budget.objects.filter(ended_at=None, **where).order_by("pk").values_list(*columns))


def team_budgets(text):
    return f"teams: [{{name: data, budgets: {text}}}]"


def test_each_budget_becomes_a_row_of_its_owner(apply):
    apply(PROVIDER + EVERYBODY)
    assert budgets() == [
        (None, None, "", 5000 * USD, "usd", "month", "Europe/Berlin", False, "enforce"),
        (None, None, "gpt-*", 1_000_000, "tokens", "day", "UTC", True, "observe"),
        (None, None, "gpt-4o", 10, "requests", "total", "UTC", False, "enforce"),
        (None, "data", "", 500 * USD, "usd", "month", "UTC", False, "enforce"),
        ("dev@example.com", None, "gpt-4o", USD // 2, "usd", "month", "UTC", False, "enforce"),
    ]
    assert Budget.objects.order_by("pk").first().alert_at == [0.8, 1.0]


def test_limits_and_the_rest_become_rows(apply):
    apply(PROVIDER + EVERYBODY)
    limits = Limit.objects.order_by("pk").values_list("user__email", "team__name", "model", "rpm", "tpm", "parallel")
    assert list(limits) == [
        (None, None, "gpt-4o", None, None, 5),
        (None, "data", "", 600, 1_000_000, None),
        ("dev@example.com", None, "", 60, None, None),
    ]
    route = routes.load().resolve("gpt-4o")
    assert (route.client_gone, route.interrupted) == ("read_on", "bound")
    assert (route.targets[0].context_window, route.targets[0].max_output) == (128_000, 4096)
    assert snapshot.load(1).bound_margin == 1.2
    roles = Membership.objects.order_by("user__email").values_list("user__email", "role")
    assert list(roles) == [("dev@example.com", "member"), ("lead@example.com", "manager")]


def test_a_second_time_changes_nothing(apply):
    apply(PROVIDER + EVERYBODY)
    logged = LogEntry.objects.count()
    assert apply(PROVIDER + EVERYBODY) == "Nothing to change.\n"
    assert LogEntry.objects.count() == logged


def test_a_dry_run_foretells_it(apply, capsys):
    with pytest.raises(SystemExit):
        apply(PROVIDER + EVERYBODY, "--dry-run")
    assert not Budget.objects.exists()
    foretold = capsys.readouterr().out
    assert "+ budget of the gateway: USD per month in Europe/Berlin\n    amount: $5,000.00\n" in foretold
    assert apply(PROVIDER + EVERYBODY).startswith(foretold)


def test_the_same_budget_changes_in_place_and_another_is_another(apply):
    apply(team_budgets("[{amount: 500, alert_at: [0.8]}, {amount: 5, period: day}]"))
    month, day = Budget.objects.order_by("pk")
    assert apply(team_budgets("[{amount: 600, mode: observe}, {amount: 7, period: week}]")).splitlines() == [
        "~ budget of team data: USD per month",
        "    amount: $500.00 -> $600.00",
        "    mode: enforce -> observe",
        "    alert_at: [0.8] -> []",
        "+ budget of team data: USD per week",
        "    amount: $7.00",
        "    mode: enforce",
        "    alert_at: []",
        "- budget of team data: USD per day",
        "3 changes applied.",
    ]
    assert list(Budget.objects.filter(ended_at=None).values_list("pk", "amount")) == [
        (month.pk, 600 * USD),
        (day.pk + 1, 7 * USD),
    ]


def test_an_ended_budget_stays_and_one_that_comes_back_is_new(apply):
    apply(team_budgets("[{amount: 500}]"))
    first = Budget.objects.get()
    BudgetPeriod.objects.create(budget=first, start=first.created_at, posted=1)
    assert apply(team_budgets("[]")) == "- budget of team data: USD per month\n1 change applied.\n"
    first.refresh_from_db()
    assert first.ended_at is not None
    apply(team_budgets("[{amount: 500}]"))
    assert Budget.objects.filter(ended_at=None).get().pk != first.pk


def test_what_is_not_mentioned_stays(apply):
    apply(PROVIDER + EVERYBODY)
    before, limits = budgets(), list(Limit.objects.values())
    apply("budgets:\nteams: [{name: data}]\nusers: [{email: dev@example.com}]\nroutes: [{model: gpt-4o}]")
    assert (budgets(), list(Limit.objects.values())) == (before, limits)


def test_the_gateways_list_leaves_those_of_routes_and_people(apply):
    apply(PROVIDER + EVERYBODY)
    apply("budgets: []")
    assert [row[:3] for row in budgets()] == [
        (None, None, "gpt-4o"),
        (None, "data", ""),
        ("dev@example.com", None, "gpt-4o"),
    ]
    apply("routes: [{model: gpt-4o, budgets: []}]")
    assert [row[:3] for row in budgets()] == [(None, "data", ""), ("dev@example.com", None, "gpt-4o")]


def test_a_routes_budget_stands_under_the_route(apply, refused):
    apply(PROVIDER + EVERYBODY)
    (line,) = refused("budgets: [{amount: 1, model: gpt-4o}]")
    assert line == "budgets[0].model (line 1): is a route: state it under routes: gpt-4o, budgets:"


def test_a_lowered_budget_is_called_back(apply):
    apply(team_budgets("[{amount: 500, period: total}]"))
    period = BudgetPeriod.objects.create(budget=Budget.objects.get(), start="1970-01-01T00:00Z", lent=3)
    apply(team_budgets("[{amount: 600, period: total}]"))
    period.refresh_from_db()
    assert period.wanted_at is None
    apply(team_budgets("[{amount: 5, period: total}]"))
    period.refresh_from_db()
    assert period.wanted_at is not None


def test_limits_given_are_whole_and_none_take_them_away(apply):
    apply("teams: [{name: data, limits: {rpm: 600, tpm: 1000}}]")
    assert apply("teams: [{name: data, limits: {rpm: 60}}]").splitlines() == [
        "~ limits of team data",
        "    rpm: 600 -> 60",
        "    tpm: 1000 -> (none)",
        "1 change applied.",
    ]
    Limit.objects.create(team=Team.objects.get(), model="gpt-*", rpm=1)
    assert apply("teams: [{name: data, limits: {}}]") == "- limits of team data\n1 change applied.\n"
    assert Limit.objects.get().model == "gpt-*"


def test_keys_have_budgets_and_limits(apply):
    user = User.objects.create_user("dev@example.com")
    key = issuing.issue(user=user, name="ci").key
    apply("keys: [{name: ci, budgets: [{amount: 3, period: day}], limits: {rpm: 60}}]")
    assert Budget.objects.get().api_key == key
    assert Limit.objects.get().api_key == ApiKey.objects.get()


def test_every_change_is_logged(apply):
    apply(team_budgets("[{amount: 500}]"))
    apply(team_budgets("[{amount: 600}]"))
    entry = LogEntry.objects.get_for_model(Budget).order_by("pk").last()
    assert entry.changes_dict == {"amount": [str(500 * USD), str(600 * USD)]}


def test_managers_come_and_go_and_stay_members(apply):
    apply("teams: [{name: data, managers: [a@b.co]}]\nusers: [{email: a@b.co}, {email: c@b.co, teams: [data]}]")
    assert apply("teams: [{name: data, managers: [c@b.co]}]").splitlines() == [
        "~ c@b.co in team data",
        "    role: member -> manager",
        "~ a@b.co in team data",
        "    role: manager -> member",
        "2 changes applied.",
    ]


def test_windows_that_the_file_does_not_state_stay(apply):
    text = PROVIDER + "routes: [{model: m, targets: [{provider: openai}]}]"
    apply(text)
    Target.objects.update(context_window=1000, max_output=100)
    assert apply(text) == "Nothing to change.\n"


def test_channels_are_written_and_those_not_named_switched_off(apply, monkeypatch):
    monkeypatch.setenv("CHAT", "https://1.1.1.1/services/T0/very-secret")
    AlertChannel.objects.create(kind="email", address="old@example.com")
    chat, hook = '{kind: slack, address: "${CHAT}"}', "{kind: webhook, address: 'https://1.1.1.1/h', secret: %s}"
    text = f"settings: {{alerts: [{{kind: email, address: new@example.com}}, {chat}, {hook % SIGNING}]}}"
    out = apply(text)
    assert "very-secret" not in out + str(list(LogEntry.objects.values()))
    assert SIGNING not in out + str(list(LogEntry.objects.values()))
    assert "- alerts to email old@example.com\n" in out
    assert apply(text) == "Nothing to change.\n"
    stored = {row.kind: row for row in AlertChannel.objects.filter(is_active=True)}
    assert stored["email"].address == "new@example.com"
    assert decrypt(stored["slack"].secret) == "https://1.1.1.1/services/T0/very-secret"
    assert "very-secret" not in stored["slack"].address
    assert decrypt(stored["webhook"].secret) == SIGNING
    apply("settings: {alerts: [{kind: email, address: old@example.com}]}")
    assert AlertChannel.objects.filter(is_active=True).get().address == "old@example.com"
