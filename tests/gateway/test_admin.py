"""The admin without a browser: who may do what, what is refused, and what the pages say."""

from __future__ import annotations

import csv
from datetime import timedelta
from decimal import Decimal
from html import unescape
from io import StringIO

import pytest
from auditlog.models import LogEntry

from accounts import issuing, roles
from accounts.models import ApiKey, Membership, Team, User
from billing import bulk, clock, ids, lines, posting
from billing.models import Holder, Price, Segment
from billing.pricing import PriceRow, Usage, cost_of
from providers.adapters import ADAPTERS
from providers.models import ModelRoute, Provider, Target
from providers.secrets import decrypt, encrypt

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
ROWS = (PriceRow(1, "input", 0, "", "million", 25_000_000_000), PriceRow(2, "output", 0, "", "million", 10**11))
TARGETS = {
    "targets-TOTAL_FORMS": "1", "targets-INITIAL_FORMS": "0", "targets-0-upstream_model": "gpt-4o",
    "targets-0-priority": "0", "targets-0-position": "0", "targets-0-timeout": "",
}  # fmt: skip
NO_MEMBERS = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}


@pytest.fixture
def people():
    return {
        role: User.objects.create_user(f"{role}@example.com", PASSWORD, role=role) for role, _ in roles.GATEWAY_ROLES
    }


@pytest.fixture
def admin(client, people):
    client.force_login(people["admin"])
    return client


@pytest.fixture
def viewer(client, people):
    client.force_login(people["viewer"])
    return client


@pytest.fixture
def provider():
    return Provider.objects.create(name="openai", base_url="https://1.1.1.1/v1", secret=encrypt("top-secret"))


@pytest.fixture
def route(provider):
    made = ModelRoute.objects.create(model="gpt-4o", aliases=["gpt-4o-latest"])
    Target.objects.create(route=made, provider=provider, upstream_model="gpt-4o")
    return made


def spend(user=None, key=None, rows=ROWS, model="gpt-4o", ago=timedelta(minutes=5), **fields):
    at = ids.microseconds(clock.now() - ago)
    usage = Usage(input=1000, output=500)
    line = lines.Settled(
        id=ids.new(at),
        request_id=f"req_{at}",
        operation="chat.completions",
        model=model,
        provider="openai",
        upstream_model=model,
        user=user and user.pk,
        api_key=key and key.pk,
        price_rows=rows,
        finished_at=at + 900_000,
        cost=cost_of(usage, rows).atoms,
        latency_ms=900,
        first_token_ms=300,
        **{"status": "completed", "http_status": 200, **fields},
        **lines.usage_columns(usage),
    )
    bulk.insert_records([line])
    bulk.add_spend(posting.spend_of([line]))
    return line


def pages(people, route, key):
    tables = {
        "accounts/user": people["member"].pk, "accounts/team": Team.objects.get().pk, "accounts/apikey": key.pk,
        "providers/provider": Provider.objects.get().pk, "providers/modelroute": route.pk,
        "billing/price": Price.objects.first().pk, "auditlog/logentry": LogEntry.objects.first().pk,
    }  # fmt: skip
    for table, pk in tables.items():
        yield f"/admin/{table}/"
        yield f"/admin/{table}/{pk}/change/"
    yield from (
        "/admin/",
        "/admin/spend/",
        "/admin/health/",
        "/admin/billing/usagerecord/",
        "/admin/search/?s=gpt&extended=1",
    )


@pytest.mark.parametrize("role", ["admin", "viewer", "member"])
def test_admins_and_viewers_see_everything_and_members_nothing(client, people, route, role):
    team = Team.objects.create(name="data", models_allowed=["gpt-*"])
    Membership.objects.create(user=people["member"], team=team)
    key = issuing.issue(user=people["member"], team=team, name="laptop").key
    Price.objects.create(
        provider="openai", upstream_model="gpt-4o", component="input", amount=Decimal(1), valid_from=clock.now()
    )
    line = spend(people["member"], key)
    client.force_login(people[role])
    expected = {302} if role == "member" else {200}
    for path in (*pages(people, route, key), f"/admin/billing/usagerecord/{line.id}/change/"):
        response = client.get(path)
        assert {response.status_code} == expected, path
        assert b"top-secret" not in response.content


def test_a_viewer_writes_nothing(viewer, people, route):
    key = issuing.issue(user=people["member"], name="laptop").key
    before = LogEntry.objects.count()
    for path in (
        f"/admin/accounts/apikey/{key.pk}/revoke/",
        f"/admin/accounts/apikey/{key.pk}/rotate/",
        f"/admin/accounts/apikey/{key.pk}/change/",
        "/admin/accounts/apikey/add/",
        f"/admin/accounts/user/{people['admin'].pk}/change/",
        f"/admin/providers/provider/{Provider.objects.get().pk}/change/",
        f"/admin/providers/modelroute/{route.pk}/change/",
        "/admin/billing/price/add/",
    ):
        assert viewer.post(path, {"name": "changed"}).status_code == 403, path
    assert LogEntry.objects.count() == before
    key.refresh_from_db()
    assert key.revoked_at is None


@pytest.mark.parametrize(
    "table", ["accounts/user", "accounts/team", "accounts/apikey", "providers/provider", "billing/usagerecord"]
)
def test_nobody_deletes(admin, people, provider, table):
    issuing.issue(user=people["member"], name="laptop")
    Team.objects.create(name="data")
    assert admin.get(f"/admin/{table}/1/delete/").status_code in {403, 404}
    assert admin.post(f"/admin/{table}/", {"action": "delete_selected", "_selected_action": [1]}).status_code != 302


def test_the_last_admin_stays_one(admin, people):
    form = {"email": "admin@example.com", "role": "viewer", "is_active": "on", **NO_MEMBERS}
    path = f"/admin/accounts/user/{people['admin'].pk}/change/"
    assert b"last active admin" in admin.post(path, form).content
    User.objects.create_user("second@example.com", role=roles.ADMIN)
    assert admin.post(path, form).status_code == 302


def test_a_password_is_set_and_never_shown(admin, people):
    path = f"/admin/accounts/user/{people['member'].pk}/change/"
    form = {"email": "member@example.com", "role": "member", "is_active": "on", **NO_MEMBERS}
    assert b"too short" in admin.post(path, {**form, "password_to_set": "short"}).content
    assert admin.post(path, {**form, "password_to_set": "a new and long one"}).status_code == 302
    assert User.objects.get(email="member@example.com").check_password("a new and long one")
    assert admin.post(path, form).status_code == 302
    assert User.objects.get(email="member@example.com").check_password("a new and long one")
    assert b"pbkdf2" not in admin.get(path).content
    assert b"argon2" not in admin.get(path).content


def test_a_user_without_a_password_cannot_sign_in(admin):
    form = {"email": "New@Example.com", "role": "member", "is_active": "on", **NO_MEMBERS}
    assert admin.post("/admin/accounts/user/add/", form).status_code == 302
    assert not User.objects.get(email="new@example.com").has_usable_password()


def test_a_provider_secret_is_written_kept_and_removed(admin, provider):
    path = f"/admin/providers/provider/{provider.pk}/change/"
    form = {"name": "openai", "adapter": "openai", "base_url": "https://1.1.1.1/v1", "options": "{}", "quirks": "{}"}
    admin.post(path, form)
    provider.refresh_from_db()
    assert decrypt(provider.secret) == "top-secret"
    admin.post(path, {**form, "new_secret": "rotated", "paused": "on"})
    provider.refresh_from_db()
    assert decrypt(provider.secret) == "rotated"
    assert provider.paused_at is not None
    admin.post(path, {**form, "forget_secret": "on"})
    provider.refresh_from_db()
    assert provider.secret == ""
    assert provider.paused_at is None
    assert not [entry for entry in LogEntry.objects.all() if "rotated" in str(entry.changes)]


@pytest.mark.parametrize(("quirks", "said"), [
    ('{"parameters": {"top_k": 5}}', "parameters.top_k must be a name, true or false."),
    ('{"function": "translate"}', "function is no quirk; did you mean functions?"),
    ("[1]", "The quirks must be a mapping."),
])  # fmt: skip
def test_a_quirk_that_nobody_could_follow_is_refused_by_name(admin, provider, quirks, said):
    path = f"/admin/providers/provider/{provider.pk}/change/"
    form = {"name": "openai", "adapter": "openai", "base_url": "https://1.1.1.1/v1", "options": "{}", "quirks": quirks}
    assert said in unescape(admin.post(path, form).content.decode())
    provider.refresh_from_db()
    assert provider.quirks == {}


def test_a_provider_shows_where_each_adapter_leads_by_itself(admin, provider):
    Provider.objects.filter(pk=provider.pk).update(adapter="groq", base_url="")
    page = admin.get(f"/admin/providers/provider/{provider.pk}/change/").content.decode()
    assert 'placeholder="https://api.groq.com/openai/v1"' in page
    for adapter in ADAPTERS.values():
        assert adapter.base_url in page


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4o-latest"])
def test_two_routes_never_share_a_name(admin, route, provider, name):
    form = {
        "model": "other", "aliases": name, "strategy": "ordered", "retries": "1", "is_active": "on",
        "client_gone": "estimate", "interrupted": "estimate", "fallback_access": "key", **TARGETS,
    }  # fmt: skip
    response = admin.post("/admin/providers/modelroute/add/", {**form, "targets-0-provider": provider.pk})
    assert f"{name} is a name of the route gpt-4o too".encode() in response.content
    response = admin.post(
        "/admin/providers/modelroute/add/", {**form, "aliases": "mine, yours", "targets-0-provider": provider.pk}
    )
    assert response.status_code == 302
    assert ModelRoute.objects.get(model="other").aliases == ["mine", "yours"]


@pytest.mark.parametrize(("field", "value", "said"), [
    ("cooldown", '{"share": 2}', "share must be from 0.01 to 1."),
    ("cooldown", "[]", ""),
    ("cooldown", "[1]", "It must be a mapping."),
    ("hedge", '{"percentile": 95}', "percentile is none of after_percentile, min_ms."),
    ("cooldown", '{"enabled": "no"}', "enabled must be true or false."),
    ("hedge", '{"after_percentile": true}', "after_percentile must be a number."),
    ("hedge", "", ""),
])  # fmt: skip
def test_how_a_route_is_routed_is_checked_before_it_is_stored(admin, route, provider, field, value, said):
    form = {
        "model": "other", "strategy": "latency", "retries": "1", "is_active": "on", "client_gone": "estimate",
        "interrupted": "estimate", "fallback_access": "key", "fallbacks": "gpt-4o", "deadline": "20", **TARGETS,
        "targets-0-provider": provider.pk, "targets-0-weight": "3", "targets-0-rpm": "60", field: value,
    }  # fmt: skip
    response = admin.post("/admin/providers/modelroute/add/", form)
    assert said in unescape(response.content.decode())
    made = ModelRoute.objects.filter(model="other").first()
    assert (made is None) == bool(said)
    if made is not None:
        assert (made.strategy, made.fallbacks, made.deadline, made.cooldown, made.hedge) == (
            "latency", ["gpt-4o"], 20, {}, {},
        )  # fmt: skip
        assert made.targets.values_list("weight", "rpm", "tpm").get() == (3, 60, None)


def test_a_price_is_a_new_row_and_the_old_one_stays(admin, route):
    assert b"1 target without a price" in admin.get("/admin/billing/price/").content
    form = {"provider": "openai", "upstream_model": "gpt-4o", "above_tokens": "0"}
    for day, amount in (("2026-01-01", "2.5"), ("2026-06-01", "0.625")):
        response = admin.post(
            "/admin/billing/price/add/", {**form, "valid_from_0": day, "valid_from_1": "00:00", "input": amount}
        )
        assert response.status_code == 302
    assert [row.amount for row in Price.objects.order_by("valid_from")] == [Decimal("2.5"), Decimal("0.625")]
    page = admin.get("/admin/billing/price/").content.decode()
    assert "Every target of every route has a price" in page
    assert "$0.625" in page
    assert "$2.50" in admin.get("/admin/billing/price/?view=history").content.decode()
    again = admin.post(
        "/admin/billing/price/add/", {**form, "valid_from_0": day, "valid_from_1": "00:00", "input": "1"}
    )
    assert b"price from this very moment" in again.content
    dear = admin.post(
        "/admin/billing/price/add/", {**form, "valid_from_0": day, "valid_from_1": "1:00", "input": "1e9"}
    )
    assert b"Ensure that there are no more than" in dear.content
    nothing = admin.post("/admin/billing/price/add/", {**form, "valid_from_0": day, "valid_from_1": "00:00"})
    assert b"Give at least one amount" in nothing.content
    assert Price.objects.count() == 2


def test_requests_are_filtered_and_summed(admin, people):
    key = issuing.issue(user=people["member"], name="laptop").key
    spend(people["member"], key)
    spend(people["admin"], rows=(), model="unpriced-model")
    spend(people["admin"], status="upstream_error", ago=timedelta(days=2))

    def shown(query):
        response = admin.get(f"/admin/billing/usagerecord/?{query}")
        return [(record.model, record.status) for record in response.context["records"]], response.context["totals"]

    records, totals = shown("range=24h")
    assert len(records) == 2
    assert (totals.requests, totals.cost, totals.unpriced) == (2, Decimal("0.0075"), 1)
    assert shown("range=7d&flag=failed")[0] == [("gpt-4o", "upstream_error")]
    assert shown("range=7d&flag=unpriced")[0] == [("unpriced-model", "completed")]
    assert "$0.00" not in admin.get("/admin/billing/usagerecord/?range=7d&flag=unpriced").content.decode()
    assert shown(f"range=7d&api_key={key.pk}")[0] == [("gpt-4o", "completed")]
    assert shown(f"range=7d&user={people['member'].pk}&model=gpt-4o")[0] == [("gpt-4o", "completed")]
    assert shown("range=7d&user=x'--")[1].requests == 3
    assert shown("q=req_nothing")[0] == []


def test_requests_page_by_id(admin, people, monkeypatch):
    monkeypatch.setattr("gateway.admin.records.SIZE", 2)
    made = [spend(people["member"], ago=timedelta(minutes=minutes)).id for minutes in (1, 2, 3)]
    first = admin.get("/admin/billing/usagerecord/")
    assert [str(record.pk) for record in first.context["records"]] == made[:2]
    second = admin.get(f"/admin/billing/usagerecord/?before={first.context['older']}")
    assert [str(record.pk) for record in second.context["records"]] == made[2:]
    assert second.context["older"] is None


def test_exports_have_every_row_and_no_formula(admin, people):
    spend(people["member"], model="=1+1")
    rows = list(csv.DictReader(StringIO(admin.get("/admin/billing/usagerecord/?format=csv").getvalue().decode())))
    assert [(row["model"], row["cost"]) for row in rows] == [("'=1+1", "0.0075000000")]
    rows = list(csv.DictReader(StringIO(admin.get("/admin/spend/?format=csv&by=model").getvalue().decode())))
    assert [(row["value"], row["requests"], row["cost"]) for row in rows] == [("'=1+1", "1", "0.0075000000")]


def test_a_request_shows_how_its_cost_came_about(admin, people):
    line = spend(people["member"])
    response = admin.get(f"/admin/billing/usagerecord/{line.id}/change/")
    assert [(row.component, row.quantity, row.price, row.amount) for row in response.context["bill"].lines] == [
        ("input", "1,000", "$2.50", "$0.0025"),
        ("output", "500", "$10.00", "$0.005"),
    ]
    assert "$0.0075" in response.content.decode()
    unpriced = spend(people["member"], rows=())
    page = admin.get(f"/admin/billing/usagerecord/{unpriced.id}/change/").content.decode()
    assert "A price is missing" in page
    assert "$0.00" not in page


@pytest.mark.parametrize(
    "by", ["model", "provider", "user", "team", "api_key", "operation", "tag", "end_user", "nonsense"]
)
def test_spend_by_anything(admin, people, by):
    spend(people["member"], tags=("batch",), end_user="somebody")
    response = admin.get(f"/admin/spend/?by={by}&range=24h&zone=Asia/Kathmandu&measure=tokens")
    assert response.status_code == 200
    assert response.context["total"].cost == Decimal("0.0075")


def test_the_overview_of_an_empty_gateway_says_what_to_do(admin):
    page = admin.get("/admin/").content.decode()
    assert "Ready for the first call" in page
    assert "no request in the last day" in page


def test_the_overview_names_what_is_wrong(admin, people, route):
    issuing.issue(user=people["member"], name="ends soon", expires_at=clock.now() + timedelta(days=3))
    for _ in range(3):
        spend(people["member"], status="upstream_error")
    silent = Holder.objects.create(
        id=ids.new(1), machine="box", started_at=clock.now(), seen_at=clock.now() - timedelta(minutes=5)
    )
    Segment.objects.create(holder=silent, seq=1, stored_at=clock.now() - timedelta(minutes=4))
    page = admin.get("/admin/").content.decode()
    for words in ("the ledger needs a look", "openai/gpt-4o: 100 % of 3 requests failed", "ends soon", "unpriced"):
        assert words in page
    assert "1 silent process" in admin.get("/admin/health/").content.decode()


def test_changes_are_signed(admin, people):
    admin.post("/admin/accounts/team/add/", {"name": "data", "models_allowed": "gpt-*\nclaude-*", **NO_MEMBERS})
    assert Team.objects.get().models_allowed == ["gpt-*", "claude-*"]
    entry = LogEntry.objects.get_for_model(Team).get()
    assert (entry.actor, entry.remote_addr) == (people["admin"], "127.0.0.1")


def test_a_revoked_key_is_changed_no_more(admin, people):
    key = issuing.issue(user=people["member"], name="laptop").key
    assert admin.post(f"/admin/accounts/apikey/{key.pk}/revoke/").status_code == 302
    assert ApiKey.objects.get().revoked_at is not None
    assert admin.post(f"/admin/accounts/apikey/{key.pk}/change/", {"name": "again"}).status_code == 403
    assert admin.post(f"/admin/accounts/apikey/{key.pk}/rotate/").status_code == 403


def test_pages_ask_the_database_little_however_many_rows_there_are(admin, people, route, django_assert_max_num_queries):
    for number in range(30):
        key = issuing.issue(user=people["member"], name=f"key {number}").key
        spend(people["member"], key)
    for path in (
        "/admin/accounts/apikey/",
        "/admin/accounts/user/",
        "/admin/providers/modelroute/",
        "/admin/",
        "/admin/spend/?by=user",
    ):
        with django_assert_max_num_queries(30):
            assert admin.get(path).status_code == 200


def test_home_is_json_for_programs(client, db):
    assert client.get("/", headers={"accept": "application/json"}).json()["name"] == "Tollgate"
    assert client.get("/", headers={"accept": "*/*"}).headers["content-type"] == "application/json"
    page = client.get("/", headers={"accept": "text/html,*/*"})
    assert b"http://testserver/v1" in page.content
    assert "unsafe-eval" not in page.headers["content-security-policy"]
