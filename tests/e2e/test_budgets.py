"""A budget in the browser: made, its bar seen, and ended."""

from __future__ import annotations

import pytest

HELLO = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
OWNERS = ("team", "user", "api_key")


def shown(page):
    """Which owners the form asks for."""
    return [name for name in OWNERS if page.locator(f".field-{name}").is_visible()]


@pytest.mark.parametrize("path", ["/admin/billing/budget/", "/admin/billing/limit/", "/admin/billing/limit/add/"])
def test_the_pages_open_without_an_error(admin, path):
    assert admin.goes_to(path) == 200


def test_a_budget_is_made_and_its_bar_is_seen(admin, site):
    admin.goes_to("/admin/billing/budget/add/")
    assert shown(admin.page) == []
    admin.page.select_option("select[name=scope]", "user")
    admin.page.locator(".field-user").wait_for(state="visible")
    assert shown(admin.page) == ["user"]
    admin.page.select_option("select[name=scope]", "gateway")
    admin.page.fill("input[name=amount]", "1000")
    admin.page.select_option("select[name=unit]", "requests")
    admin.page.select_option("select[name=timezone]", "Europe/Berlin")
    admin.page.fill("input[name=alert_at]", "50")
    admin.presses("Save")
    site.record(site.post("/v1/chat/completions", HELLO).headers["x-request-id"])
    admin.goes_to("/admin/billing/budget/")
    row = admin.page.locator("tbody tr").filter(has_text="the whole gateway")
    assert row.locator("svg.tg-budget").get_attribute("aria-label").endswith("left of 1,000 requests")
    row.locator("a").click()
    admin.page.wait_for_load_state("networkidle")
    assert "of 1,000 requests this month" in admin.state
    assert "Europe/Berlin" in admin.state
    admin.page.click("a[href$='/end/']")
    admin.presses("End budget: stops nobody any more")
    assert "stops nobody any more" in admin.page.inner_text("body")
