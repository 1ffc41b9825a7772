"""The pages in the browser: each one works without an error, says its state, and shows no secret."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.conftest import PROVIDER_SECRET

LISTS = [
    "/admin/accounts/apikey/",
    "/admin/accounts/user/",
    "/admin/accounts/team/",
    "/admin/providers/modelroute/",
    "/admin/providers/provider/",
    "/admin/billing/price/",
    "/admin/billing/price/?view=history&book=all",
    "/admin/billing/usagerecord/",
    "/admin/auditlog/logentry/",
    "/admin/spend/",
    "/admin/health/",
    "/admin/",
]
FORMS = ["/admin/accounts/user/add/", "/admin/accounts/team/add/", "/admin/providers/provider/add/"]
HELLO = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}


def test_every_page_opens_with_its_state(admin):
    for path in LISTS:
        assert admin.goes_to(path) == 200
        assert admin.state, path
        assert PROVIDER_SECRET not in admin.page.content()


def test_every_form_opens(admin):
    assert [admin.goes_to(path) for path in FORMS] == [200] * len(FORMS)


def test_a_call_stands_in_the_requests_with_its_price(admin, site):
    answer = site.post("/v1/chat/completions", HELLO)
    record = site.record(answer.headers["x-request-id"])
    admin.goes_to(f"/admin/billing/usagerecord/?q={record['request_id']}")
    admin.page.click("table.tg-table tbody a")
    assert "demo" in admin.state
    table = admin.page.locator("table").filter(has_text="= Amount").inner_text()
    assert f"{record['input_tokens']:,}" in table
    assert "$1.00" in table
    admin.goes_to("/admin/spend/?range=24h&by=model")
    assert "demo" in admin.page.inner_text("table")
    assert admin.page.locator("svg.tg-chart rect.tg-series-0").count() >= 1


def test_a_provider_secret_is_never_in_a_page(admin, site):
    admin.goes_to("/admin/providers/provider/?q=elsewhere")
    assert "set" in admin.page.inner_text("#result_list")
    admin.page.click("#result_list tbody th a")
    admin.page.wait_for_load_state("networkidle")
    assert "secret set" in admin.state
    assert admin.page.input_value("input[name=new_secret]") == ""
    (token,) = site.sql("SELECT secret FROM providers_provider WHERE name = %s", "elsewhere")[0]
    assert PROVIDER_SECRET not in admin.page.content()
    assert token not in admin.page.content()

    admin.page.fill("input[name=new_secret]", "another-secret")
    admin.presses("Save")
    (changed,) = site.sql("SELECT secret FROM providers_provider WHERE name = %s", "elsewhere")[0]
    assert changed != token
    assert "another-secret" not in changed
    admin.goes_to("/admin/auditlog/logentry/")
    assert "another-secret" not in admin.page.content()
    assert changed not in admin.page.content()


def test_a_provider_of_a_private_address_is_refused(admin):
    admin.goes_to("/admin/providers/provider/add/")
    admin.page.fill("input[name=name]", "inside")
    admin.page.fill("input[name=base_url]", "http://127.0.0.1:1/v1")
    admin.presses("Save")
    assert "not public" in admin.page.inner_text("form#provider_form")


def test_a_missing_price_is_asked_for_and_can_be_given(admin):
    admin.goes_to("/admin/billing/price/")
    assert "1 target without a price" in admin.state
    admin.page.click("text=Set its price")
    admin.page.wait_for_load_state("networkidle")
    admin.page.fill("input[name=input]", "0.625")
    admin.page.fill("input[name=output]", "5")
    admin.presses("Set prices")
    admin.goes_to("/admin/billing/price/")
    assert "Every target of every route has a price" in admin.state
    assert "$0.625" in admin.page.inner_text("table")


def test_changes_stand_in_the_audit_log_with_actor_and_address(admin):
    admin.goes_to("/admin/accounts/team/add/")
    admin.page.fill("input[name=name]", f"team {time.time_ns()}")
    admin.presses("Save")
    admin.goes_to("/admin/auditlog/logentry/")
    newest = admin.page.inner_text("#result_list tbody tr:first-child")
    assert "ada@example.com" in newest
    assert "127.0.0.1" in newest


def test_a_viewer_sees_every_page_and_adds_nothing(viewer):
    assert [viewer.goes_to(path) for path in LISTS] == [200] * len(LISTS)
    forms = [*FORMS, "/admin/accounts/apikey/add/", "/admin/billing/price/add/"]
    assert [viewer.page.request.get(viewer.base + path).status for path in forms] == [403] * len(forms)


@pytest.mark.parametrize("table", ["accounts/apikey", "accounts/user", "providers/provider", "providers/modelroute"])
def test_a_viewer_changes_nothing(viewer, table):
    viewer.goes_to(f"/admin/{table}/")
    assert viewer.page.locator("a.addlink").count() == 0
    viewer.page.click("#result_list tbody th a")
    viewer.page.wait_for_load_state("networkidle")
    assert viewer.page.locator("form input:not([type=hidden]):not([type=search]):not([name=s])").count() == 0
    assert viewer.page.get_by_role("button", name="Save").count() == 0
    cookies = {cookie["name"]: cookie["value"] for cookie in viewer.page.context.cookies()}
    form = {"csrfmiddlewaretoken": cookies.get("csrftoken", ""), "name": "changed by a viewer"}
    answer = viewer.page.request.post(viewer.page.url, form=form, headers={"referer": viewer.page.url})
    assert answer.status == 403


def test_a_member_is_not_let_in(visitor):
    member = visitor().signs_in("mia@example.com")
    member.goes_to("/admin/")
    assert "/login/" in member.page.url


def test_home_speaks_to_people_and_to_programs(visitor, site):
    someone = visitor()
    assert someone.goes_to("/") == 200
    assert someone.page.inner_text("#base-url") == f"{site.base}/v1"
    someone.page.get_by_role("link", name="Admin").click()
    assert "/login/" in someone.page.url
    said = json.loads(site.get("/").text)
    assert said["name"] == "Tollgate"
    assert said["version"]


def test_every_answer_of_a_page_carries_the_policy(admin):
    for path in ("/", "/accounts/login/", "/admin/", "/admin/nowhere/"):
        answer = admin.page.request.get(admin.base + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "'unsafe-inline'" not in policy.replace("style-src-attr 'unsafe-inline'", "")
        assert answer.headers["referrer-policy"] == "same-origin"


def test_pages_can_be_read_without_scripts(admin, chromium, site):
    context = chromium.new_context(java_script_enabled=False, storage_state=admin.page.context.storage_state())
    page = context.new_page()
    for path in ("/admin/", "/admin/spend/", "/admin/accounts/apikey/"):
        page.goto(site.base + path)
        assert page.locator(".tg-state").is_visible()
    page.goto(site.base + "/admin/")
    page.click("text=All spend")  # nothing lies over it
    assert "/admin/spend/" in page.url
    page.goto(site.base)
    assert page.locator("#snippet-curl").is_visible()
    context.close()
