"""Budgets and limits in the admin: who is about to be stopped, what may be typed, and how many queries it takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import issuing, roles
from accounts.models import Team, User
from billing import calendars, clock
from billing.models import Alert, Budget, BudgetPeriod, Grant, Limit, RequestForMore, ShadowRefusal
from providers.models import ModelRoute, Provider, Target

pytestmark = pytest.mark.django_db
USD = 10**10
NEW = {"unit": "usd", "period": "month", "timezone": "UTC", "mode": "enforce"}


@pytest.fixture
def people():
    return {role: User.objects.create_user(f"{role}@example.com", role=role) for role, _ in roles.GATEWAY_ROLES}


@pytest.fixture
def admin(client, people):
    client.force_login(people["admin"])
    return client


@pytest.fixture
def viewer(client, people):
    client.force_login(people["viewer"])
    return client


@pytest.fixture
def team():
    return Team.objects.create(name="data")


def budget(usd=500, spent=0, lent=0, **fields):
    made = Budget.objects.create(amount=usd * USD, **fields)
    start = calendars.start_of(made.period, made.timezone, made.rolling, clock.now())
    BudgetPeriod.objects.create(budget=made, start=start, posted=round(spent * USD), lent=lent * USD)
    return made


def page(client, path):
    response = client.get(path)
    assert response.status_code == 200, path
    return response


def added(client, **form):
    """Add a budget; return the form's errors."""
    response = client.post("/admin/billing/budget/add/", {**NEW, **form})
    return {} if response.status_code == 302 else dict(response.context["adminform"].form.errors)


def test_who_is_nearest_to_the_end_comes_first(admin, people, team):
    near = budget(spent=401.2, lent=20, team=team, alert_at=[0.8])
    roomy = budget(spent=10, user=people["member"])
    used_up = budget(5, spent=5)
    observed = budget(5, spent=50, mode="observe", user=people["viewer"])
    budget(1, ended_at=clock.now())
    response = page(admin, "/admin/billing/budget/")
    assert [each.budget for each in response.context["rows"]] == [used_up, near, roomy, observed]
    text = response.content.decode()
    for words in ("4 budgets", "1 used up", "1 near", "$401.20", "$78.80", "would refuse", "alert at 80 %"):
        assert words in text, words


def test_the_list_is_filtered_and_searched(admin, people, team):
    of_team, of_user = budget(team=team), budget(user=people["member"])
    of_all, ended = budget(model="gpt-*"), budget(team=team, period="day", ended_at=clock.now())

    def shown(query):
        rows = page(admin, f"/admin/billing/budget/?{query}").context["page_obj"]
        return [getattr(row, "budget", row) for row in rows]

    assert shown("of=team") == [of_team]
    assert shown("q=MEMBER@") == [of_user]
    assert shown("of=gateway&q=gpt") == [of_all]
    assert shown("view=ended") == [ended]
    assert shown("of=nonsense&q=nothing&p=9") == []


def test_an_empty_list_says_what_a_budget_is(admin):
    assert "Nobody has a budget yet" in page(admin, "/admin/billing/budget/").content.decode()
    assert "There is no limit" in page(admin, "/admin/billing/limit/").content.decode()


def test_amounts_are_typed_in_the_unit(admin, people, team):
    assert added(admin, scope="team", team=team.pk, amount="500.25", alert_at="80, 100 %", timezone="Asia/Dhaka") == {}
    assert added(admin, scope="user", user=people["member"].pk, amount="1000000", unit="tokens", rolling="on") == {}
    assert added(admin, scope="gateway", amount="3", unit="requests", period="total", model="gpt-*") == {}
    rows = Budget.objects.order_by("pk").values_list("team", "user", "amount", "unit", "rolling", "model", "alert_at")
    assert list(rows) == [
        (team.pk, None, 500 * USD + USD // 4, "usd", False, "", [0.8, 1.0]),
        (None, people["member"].pk, 1_000_000, "tokens", True, "", []),
        (None, None, 3, "requests", False, "gpt-*", []),
    ]
    entry = LogEntry.objects.get_for_model(Budget).order_by("pk").first()
    assert (entry.actor, entry.object_repr) == (people["admin"], f"budget {Budget.objects.first().pk} of team data")


MISTAKES = [
    ({"scope": "team", "amount": "5"}, "team", "Choose one team."),
    ({"scope": "gateway", "amount": "-1"}, "amount", "greater than or equal to 0"),
    ({"scope": "gateway", "amount": "100000000"}, "amount", "Must be below 100,000,000 USD."),
    ({"scope": "gateway", "amount": "1.5", "unit": "tokens"}, "amount", "Must be a whole number of tokens."),
    ({"scope": "gateway", "amount": "5", "timezone": "Berlin"}, "timezone", "valid choice"),
    ({"scope": "gateway", "amount": "5", "alert_at": "most"}, "alert_at", "Write percentages"),
    ({"scope": "gateway", "amount": "5", "alert_at": "0"}, "alert_at", "above 0"),
    ({"scope": "gateway", "amount": "5", "period": "total", "rolling": "on"}, "rolling", "no window"),
    (
        {"scope": "gateway", "amount": "5", "timezone": "Asia/Dhaka", "model": "m"},
        "__all__",
        "such a budget already",
    ),
]


@pytest.mark.parametrize(("form", "field", "words"), MISTAKES)
def test_a_mistake_is_named_and_nothing_is_made(admin, form, field, words):
    budget(model="m", timezone="Asia/Dhaka")
    assert words in str(added(admin, **form)[field])
    assert Budget.objects.count() == 1


def test_the_owner_that_is_not_chosen_does_not_count(admin, people, team):
    assert added(admin, scope="team", team=team.pk, user=people["member"].pk, amount="5") == {}
    assert Budget.objects.get().user is None


def test_only_amount_mode_and_alerts_change_and_a_cut_calls_money_back(admin, team):
    row = budget(500, team=team, period="total")
    path = f"/admin/billing/budget/{row.pk}/change/"
    assert page(admin, path).context["adminform"].form.initial["amount"] == "500"
    form = {"amount": "600", "mode": "observe", "alert_at": "50", "period": "day", "unit": "tokens"}
    assert admin.post(path, form).status_code == 302
    row.refresh_from_db()
    assert (row.amount, row.mode, row.alert_at, row.period, row.unit) == (600 * USD, "observe", [0.5], "total", "usd")
    assert row.periods.get().wanted_at is None
    admin.post(path, {**form, "amount": "0.5"})
    assert row.periods.get().wanted_at is not None
    assert Budget.objects.get().amount == USD // 2


def test_the_page_of_a_budget_tells_its_story(admin, people, team):
    row = budget(500, spent=510, team=team, mode="observe", alert_at=[0.8])
    period, now = row.periods.get(), clock.now()
    ShadowRefusal.objects.create(
        period=period, user=people["member"].pk, team=team.pk, model="gpt-4o", requests=7, first_at=now, last_at=now
    )
    Grant.objects.create(
        budget=row, amount=20 * USD, starts_at=now, ends_at=now + timedelta(days=2), actor="ada", reason="a deadline"
    )
    Alert.objects.create(kind="budget", period=period, threshold=0.8, created_at=now)
    text = page(admin, f"/admin/billing/budget/{row.pk}/change/").content.decode()
    for words in ("$510.00", "of $520.00", "Binds", "team data", "user member@example.com, team data", "gpt-4o",
                  "a deadline", f"{now:%b %Y}", "80 %", "nobody is refused"):  # fmt: skip
        assert words in text, words


def test_a_budget_is_ended_not_deleted(admin, team):
    row = budget(team=team)
    assert "stops nobody" in page(admin, f"/admin/billing/budget/{row.pk}/end/").content.decode()
    assert admin.post(f"/admin/billing/budget/{row.pk}/end/").status_code == 302
    row.refresh_from_db()
    assert row.ended_at is not None
    assert "ended" in page(admin, f"/admin/billing/budget/{row.pk}/change/").content.decode()
    assert admin.post(f"/admin/billing/budget/{row.pk}/change/", {"amount": "5"}).status_code == 403
    assert admin.post(f"/admin/billing/budget/{row.pk}/end/").status_code == 403
    assert admin.get(f"/admin/billing/budget/{row.pk}/delete/").status_code == 403


def test_limits_are_made_changed_and_removed(admin, team):
    form = {"scope": "team", "team": team.pk, "rpm": "600", "parallel": "5"}
    assert admin.post("/admin/billing/limit/add/", form).status_code == 302
    row = Limit.objects.get()
    assert (row.team, row.rpm, row.tpm, row.parallel) == (team, 600, None, 5)
    assert "such a limit already" in admin.post("/admin/billing/limit/add/", form).content.decode()
    path = f"/admin/billing/limit/{row.pk}"
    assert "at least one of the three" in admin.post(f"{path}/change/", {}).content.decode()
    assert admin.post(f"{path}/change/", {"rpm": "60"}).status_code == 302
    assert Limit.objects.get().parallel is None
    assert "team data" in page(admin, "/admin/billing/limit/?of=team").content.decode()
    assert "60 requests a minute" in page(admin, f"{path}/remove/").content.decode()
    assert admin.post(f"{path}/remove/").status_code == 302
    assert not Limit.objects.exists()


def test_a_viewer_looks_and_writes_nothing(viewer, team):
    row, limit = budget(team=team), Limit.objects.create(team=team, rpm=5)
    for path in ("budget/", f"budget/{row.pk}/change/", "limit/", f"limit/{limit.pk}/change/"):
        assert "Add " not in page(viewer, f"/admin/billing/{path}").content.decode()
    for path in (
        "budget/add/",
        f"budget/{row.pk}/change/",
        f"budget/{row.pk}/end/",
        "limit/add/",
        f"limit/{limit.pk}/change/",
        f"limit/{limit.pk}/remove/",
    ):
        assert viewer.post(f"/admin/billing/{path}", {"amount": "1"}).status_code == 403, path


def test_owners_show_their_budgets_and_limits(admin, people, team):
    member = people["member"]
    key = issuing.issue(user=member, name="laptop").key
    route = ModelRoute.objects.create(model="gpt-4o")
    Target.objects.create(route=route, provider=Provider.objects.create(name="p", adapter="demo"))
    for owner, path in (
        ({"user": member}, f"accounts/user/{member.pk}"),
        ({"team": team}, f"accounts/team/{team.pk}"),
        ({"api_key": key}, f"accounts/apikey/{key.pk}"),
        ({"model": "gpt-4o"}, f"providers/modelroute/{route.pk}"),
    ):
        row = budget(777, spent=41.2, timezone="Europe/Berlin", **owner)
        Limit.objects.create(**owner, rpm=61)
        text = page(admin, f"/admin/{path}/change/").content.decode()
        sentence = text.partition('class="tg-state">')[2].partition("</p>")[0]
        for words in ("$41.20", "of <span", "$777.00", "this month", "00:00 Europe/Berlin", f"budget/{row.pk}/"):
            assert words in sentence, (path, words)
        assert "61 requests a minute" in text
        assert "$777.00" in page(admin, f"/admin/{path.rpartition('/')[0]}/").content.decode()


def test_a_key_shows_all_that_binds_it(admin, people, team):
    key = issuing.issue(user=people["member"], name="laptop").key
    mine, all_of_us, other = budget(user=people["member"]), budget(6), budget(team=team)
    shown = [each.budget for each in page(admin, f"/admin/accounts/apikey/{key.pk}/change/").context["purses"]]
    assert set(shown) == {mine, all_of_us}
    assert other not in shown


def test_the_overview_tells_spend_against_budget_and_who_waits(admin, people, team):
    budget(100, spent=10)
    budget(5, spent=5, team=team)
    RequestForMore.objects.create(user=people["member"], kind="model", model="gpt-5", days=3, reason="a talk")
    text = page(admin, "/admin/").content.decode()
    for words in ("of <span", "$100.00", "used up", "team data", "1 request for more waits"):
        assert words in text, words


@pytest.mark.parametrize(
    "path", ["billing/budget/", "billing/limit/", "accounts/team/", "accounts/user/", "accounts/apikey/", ""]
)
def test_fifty_budgets_take_as_many_queries_as_one(admin, path):
    def fill(first, last):
        for number in range(first, last):
            user = User.objects.create_user(f"u{number}@example.com")
            team = Team.objects.create(name=f"team {number}")
            key = issuing.issue(user=user, name=f"key {number}").key
            for owner in ({"user": user}, {"team": team}, {"api_key": key}):
                budget(10, spent=9, alert_at=[0.8], **owner)
                Limit.objects.create(**owner, rpm=1)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(admin, f"/admin/{path}")
        return len(captured)

    fill(0, 1)
    page(admin, f"/admin/{path}")
    few = queries()
    fill(1, 17)
    assert queries() == few


def test_a_rotated_keys_successor_has_the_same_budgets_and_limits(people):
    old = issuing.issue(user=people["member"], name="ci").key
    budget(7, spent=3, api_key=old, alert_at=[0.8])
    budget(8, api_key=old, ended_at=clock.now())
    Limit.objects.create(api_key=old, rpm=60)
    new = issuing.rotate(old, timedelta(days=1)).key
    inherited = Budget.objects.get(api_key=new)
    assert (inherited.amount, inherited.alert_at, inherited.periods.count()) == (7 * USD, [0.8], 0)
    assert Limit.objects.get(api_key=new).rpm == 60
    assert Budget.objects.filter(api_key=old).count() == 2
