"""The documentation in the browser: readable, in both schemes of colour, and an endpoint can be tried with a key."""

from __future__ import annotations

import json

CHAT = "#operations-Chat-postChatCompletions"


def test_an_endpoint_is_tried_with_the_key(visitor, site):
    someone = visitor()
    assert someone.goes_to("/docs") == 200
    page = someone.page
    page.wait_for_selector(CHAT)
    page.click(".scheme-container button.authorize")
    bearer = page.locator(".auth-container").filter(has_text="bearer")
    bearer.locator("input").fill(site.key)
    bearer.get_by_role("button", name="Apply credentials").click()
    page.click("button.btn-done")
    page.locator(f"{CHAT} .opblock-summary-control").click()
    page.locator(f"{CHAT} button.execute").click()
    page.wait_for_selector(f"{CHAT} .live-responses-table .response-col_status")
    assert page.locator(f"{CHAT} .live-responses-table tbody .response-col_status").inner_text().startswith("200")
    page.reload()
    assert site.key not in json.dumps(page.evaluate("({...localStorage, ...sessionStorage})"))


def test_the_page_follows_the_scheme_of_colours(visitor):
    someone = visitor()
    for scheme, marked in (("dark", True), ("light", False)):
        someone.page.emulate_media(color_scheme=scheme)
        someone.goes_to("/docs")
        someone.page.wait_for_selector(CHAT)
        assert someone.page.evaluate("document.documentElement.classList.contains('dark-mode')") is marked


def test_home_leads_to_the_documentation(visitor):
    someone = visitor()
    someone.goes_to("/")
    assert someone.page.inner_text("header .tg-pill") == "Ready"
    someone.page.get_by_role("link", name="API documentation").click()
    someone.page.wait_for_selector(CHAT)
    someone.page.get_by_role("link", name="Tollgate").click()
    someone.page.wait_for_selector("#base-url")
