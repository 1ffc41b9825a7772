"""API keys in the browser: a secret is seen once, and a revoked key is refused."""

from __future__ import annotations

import re

from tests.e2e.conftest import EMAIL, Visitor
from tests.live import Gateway

HELLO = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}


def issue(admin: Visitor, name: str) -> str:
    """Issue a key and return its secret, the page still showing it."""
    admin.goes_to("/admin/accounts/apikey/add/")
    admin.page.fill("input[name=name]", name)
    admin.page.select_option("select[name=user]", label=EMAIL)
    admin.presses("Issue key")
    return admin.page.inner_text("#secret")


def status_of_call(site: Gateway, secret: str) -> int:
    return site.post("/v1/chat/completions", HELLO, key=secret).status_code


def test_a_secret_is_shown_once_and_works(admin, site):
    secret = issue(admin, "laptop")
    assert re.fullmatch(r"sk-tg-[0-9a-z]{10}-\w{38}", secret)
    assert status_of_call(site, secret) == 200

    shown_at = admin.page.url
    assert secret not in shown_at
    admin.page.reload()
    admin.page.wait_for_load_state("networkidle")
    assert secret not in admin.page.content()
    admin.page.go_back()
    admin.page.wait_for_load_state("networkidle")
    assert secret not in admin.page.content()
    admin.goes_to("/admin/accounts/apikey/?q=laptop")
    assert secret not in admin.page.content()


def test_sending_the_form_again_issues_no_second_key(admin, site):
    admin.goes_to("/admin/accounts/apikey/add/")
    fields = {
        field: admin.page.input_value(f"form.tg-form [name={field}]") for field in ("csrfmiddlewaretoken", "once")
    }
    user = admin.page.get_attribute(f"select[name=user] option:text-is('{EMAIL}')", "value")
    form = {**fields, "name": "sent twice", "user": user, "expires": "90"}
    first = admin.page.request.post(admin.page.url, form=form)
    second = admin.page.request.post(admin.page.url, form=form)
    assert "sk-tg-" in first.text()
    assert "no-store" in first.headers["cache-control"]
    assert not re.search(r"sk-tg-[0-9a-z]{10}-\w{38}", second.text())
    assert site.sql("SELECT count(*) FROM accounts_apikey WHERE name = %s", "sent twice") == [(1,)]


def test_snippets_stand_under_tabs_and_can_be_copied(admin):
    secret = issue(admin, "snippets")
    admin.page.get_by_role("tab", name="curl").click()
    assert admin.page.locator("#snippet-curl").is_visible()
    assert not admin.page.locator("#snippet-python").is_visible()
    assert f"Bearer {secret}" in admin.page.inner_text("#snippet-curl")
    admin.page.keyboard.press("ArrowRight")
    assert f'OPENAI_API_KEY="{secret}"' in admin.page.inner_text("#snippet-environment")
    admin.page.locator("[data-copy=secret]").click()
    admin.page.get_by_role("button", name="Copied").wait_for()


def test_a_revoked_key_is_refused_and_says_so(admin, site):
    secret = issue(admin, "to be revoked")
    admin.page.click("text=I have copied it")
    assert "never used" in admin.state
    admin.page.click("a[href$='/revoke/']")
    assert "to be revoked" in admin.state
    admin.presses("Revoke: refuses within a second, everywhere")
    assert admin.state.startswith("revoked")
    site.take_in()
    assert status_of_call(site, secret) == 401
    assert admin.page.locator("a[href$='/rotate/']").count() == 0


def test_rotating_gives_a_second_secret_and_both_work_for_a_while(admin, site):
    old = issue(admin, "rotating")
    admin.page.click("text=I have copied it")
    admin.page.click("a[href$='/rotate/']")
    admin.presses("Rotate key")
    new = admin.page.inner_text("#secret")
    assert new != old
    assert status_of_call(site, old) == status_of_call(site, new) == 200


def test_a_key_that_nobody_could_use_is_not_issued(admin):
    admin.goes_to("/admin/accounts/apikey/add/")
    admin.page.fill("input[name=name]", "nobody's")
    admin.presses("Issue key")
    assert "A key needs a user or a team" in admin.page.inner_text("form.tg-form")
    admin.page.select_option("select[name=user]", label=EMAIL)
    admin.page.fill("textarea[name=addresses]", "the office")
    admin.presses("Issue key")
    assert "does not appear to be an IPv4 or IPv6 network" in admin.page.inner_text("form.tg-form")
