"""The pages of prices, margins and of pricing again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry

from accounts.models import Team, User
from billing import clock, ids, ledger, lines
from billing.models import Adjustment, Markup, Price
from billing.pricing import PriceRow, Usage, costs_of
from providers.models import ModelRoute, Provider, Target
from tests.billing.journals import file_of, request, stored

pytestmark = pytest.mark.django_db

PRICES, AGAIN = "/admin/billing/price/", "/admin/billing/price/reprice/"
NOW = clock.now()
TODAY = {"start": f"{NOW - timedelta(days=1):%Y-%m-%d}", "end": f"{NOW + timedelta(days=1):%Y-%m-%d}"}
USAGE = Usage(input=1_000_000, output=500_000)


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_user("admin@example.com", role="admin"))
    return client


@pytest.fixture
def viewer(client):
    client.force_login(User.objects.create_user("viewer@example.com", role="viewer"))
    return client


@pytest.fixture
def target():
    provider = Provider.objects.create(name="main", price_book="openai")
    return Target.objects.create(
        route=ModelRoute.objects.create(model="chat"), provider=provider, upstream_model="gpt"
    )  # fmt: skip


def spent(rows=None, **fields):
    opened = request(
        id=ids.new(clock.now_us() - 10**6),
        model="chat",
        provider="main",
        upstream_model="gpt",
        price_rows=rows,
        **fields,
    )
    cost, upstream = costs_of(USAGE, rows or (), "", opened.variant, opened.markup)
    line = lines.settled(
        opened, USAGE, cost=cost, upstream_cost=upstream, status="completed", finished_at=clock.now_us()
    )
    holder = ids.new(clock.now_us())
    stored(holder, file_of(holder, 1, line))
    ledger.post(holder)
    return opened.id


def price(component, amount, **fields):
    since = NOW - timedelta(days=30)
    return Price.objects.create(
        provider="openai", upstream_model="gpt", component=component, amount=Decimal(amount), valid_from=since, **fields
    )


def shown(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def again(**fields):
    return AGAIN + "?" + "&".join(f"{name}={value}" for name, value in {**TODAY, **fields}.items())


def test_what_is_used_without_a_price_comes_first_and_is_priced_again(admin, target):
    spent()
    page = shown(admin, PRICES)
    assert page.index("Used without a price") < page.index("Targets without a price") < page.index("In force")
    assert "model=gpt" in page
    assert "still <span" in shown(admin, again())

    price("input", 2)
    price("output", 8)
    page = shown(admin, again(model="gpt"))
    assert "1 of 1 records</b> would change" in page
    assert "$6.00" in page
    assert not Adjustment.objects.exists()

    assert b"This field is required" in admin.post(again(), {"reason": " "}).content
    assert not Adjustment.objects.exists()
    assert admin.post(again(), {"reason": "it was new"}).status_code == 302
    adjustment = Adjustment.objects.get()
    assert (adjustment.cost, adjustment.actor, adjustment.reason) == (6, "admin@example.com", "it was new")
    entry = LogEntry.objects.get_for_model(Adjustment).get()
    assert (entry.actor.email, entry.remote_addr) == ("admin@example.com", "127.0.0.1")
    assert "cost what the prices of the table say" in shown(admin, again())
    assert "Used without a price" not in shown(admin, PRICES)


def test_a_viewer_looks_and_corrects_nothing(viewer, target):
    spent()
    price("input", 2)
    price("output", 8)
    assert "Correct 1 record" not in shown(viewer, again())
    assert viewer.post(again(), {"reason": "mine"}).status_code == 403
    assert viewer.get("/admin/billing/markup/add/").status_code == 403
    assert not Adjustment.objects.exists()


@pytest.mark.parametrize(
    "fields", [{"start": "x"}, {"end": "2020-01-01"}, {"start": ""}, {"start": "9999-12-31", "end": "9999-12-31"}]
)
def test_a_time_that_is_none_is_said(fields, admin):
    assert admin.get(again(**fields)).status_code == 200
    assert admin.post(again(**fields), {"reason": "r"}).status_code in {200, 302}


def test_an_image_is_priced_by_its_variant(admin, target):
    form = {"provider": "openai", "upstream_model": "gpt", "above_tokens": "0"}
    form |= {"valid_from_0": "2026-01-01", "valid_from_1": "00:00", "variant": " 1024x1024/HD "}
    assert b"Only images have variants" in admin.post(f"{PRICES}add/", {**form, "image": "0.08", "input": "1"}).content
    assert b"less than or equal to 1000" in admin.post(f"{PRICES}add/", {**form, "image": "1000.01"}).content
    assert admin.post(f"{PRICES}add/", {**form, "image": "0.08"}).status_code == 302
    assert Price.objects.get().variant == "1024x1024/hd"
    for view in ("current", "history"):
        assert "1024x1024/hd" in shown(admin, f"{PRICES}?view={view}&book=openai")


def test_margins_are_rows_in_per_cent(admin):
    team = Team.objects.create(name="data")
    assert "the provider's price" in shown(admin, "/admin/billing/markup/").replace("&#x27;", "'")
    form = {"team": team.pk, "model": "gpt-*", "valid_from_0": "2026-01-01", "valid_from_1": "00:00"}
    for per_cent, message in (("901", "less than or equal to 900"), ("-101", "greater than or equal to -100")):
        assert message in admin.post("/admin/billing/markup/add/", {**form, "per_cent": per_cent}).content.decode()
    for number, per_cent in enumerate(("10", "-2.5")):
        said = {**form, "per_cent": per_cent, "valid_from_1": f"0{number}:00"}
        assert admin.post("/admin/billing/markup/add/", said).status_code == 302
    assert list(Markup.objects.order_by("valid_from").values_list("millionths", flat=True)) == [1_100_000, 975_000]
    page = shown(admin, "/admin/billing/markup/")
    assert "+10 %" in page
    assert "−2.5 %" in page
    assert "in force" in page
    assert "past" in page
    path = f"/admin/billing/markup/{Markup.objects.first().pk}/change/"
    assert admin.post(path, {**form, "per_cent": "0"}).status_code == 403
    assert LogEntry.objects.get_for_model(Markup).filter(actor__email="admin@example.com").exists()


def test_a_record_shows_its_markup_and_the_providers_own_cost(admin, target):
    rows = (PriceRow(1, "input", 0, "", "million", 2 * 10**10), PriceRow(2, "output", 0, "", "million", 8 * 10**10))
    id = spent(rows, markup=1_100_000)
    response = admin.get(f"/admin/billing/usagerecord/{id}/change/")
    assert response.context["bill"].markup == "+10 %"
    page = response.content.decode().replace("&#x27;", "'")
    assert "Cost, +10 % on the provider's $6.00 in each amount" in page
    assert "$6.60" in page
