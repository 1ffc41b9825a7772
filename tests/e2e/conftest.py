"""A running gateway, and people who look at it through real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.live import Gateway

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"
VIEWER = "vera@example.com"
PROVIDER_SECRET = "provider-secret-that-no-page-may-show"
# the cookies of who has signed in once
SIGNED_IN: dict[str, Any] = {}
PEOPLE = f"""
from accounts.models import User
for email, role in (("{VIEWER}", "viewer"), ("mia@example.com", "member")):
    User.objects.create_user(email, "{PASSWORD}", role=role)
"""


class Visitor:
    """A person in a browser window of their own; what goes wrong in it is noted."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"script error on {self.page.url}: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"console on {self.page.url}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.problems.append(f"{self.page.url} asked {request.url}")

    def goes_to(self, path: str) -> int:
        """Return the status of the answer."""
        response = self.page.goto(self.base + path)
        self.page.wait_for_load_state("networkidle")
        return response.status

    def signs_in(self, email: str = EMAIL, password: str = PASSWORD) -> Visitor:
        self.goes_to("/accounts/login/?next=/admin/")
        self.page.fill("input[name=username]", email)
        self.page.fill("input[name=password]", password)
        self.page.press("input[name=password]", "Enter")
        self.page.wait_for_load_state("networkidle")
        return self

    def presses(self, words: str) -> None:
        self.page.get_by_role("button", name=words).last.click()
        self.page.wait_for_load_state("networkidle")

    @property
    def state(self) -> str:
        """The sentence that the page opens with."""
        return self.page.inner_text(".tg-state").replace("\n", " ")


@pytest.fixture(scope="session")
def site() -> Iterator[Gateway]:
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH")
    running = Gateway(TOLLGATE_ADMIN_EMAIL=EMAIL, TOLLGATE_ADMIN_PASSWORD=PASSWORD)
    try:
        running.start()
        running.command("shell", "-v0", "-c", PEOPLE)
        running.apply(
            f"""
            providers: [{{name: elsewhere, adapter: openai, base_url: "https://1.1.1.1/v1", secret: {PROVIDER_SECRET}}}]
            routes: [{{model: elsewhere, targets: [{{provider: elsewhere, upstream_model: unheard-of}}]}}]
            """
        )
        yield running
    finally:
        running.destroy()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Closed with this package: Playwright's event loop runs in this thread, where no other then can."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(site: Gateway, chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, signed in where an e-mail is given.

    None of them may have met an error or asked another host when the test ends.
    """
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def come(email: str = "") -> Visitor:
        contexts.append(chromium.new_context(storage_state=SIGNED_IN.get(email)))
        visitors.append(Visitor(contexts[-1], site.base))
        if email and email not in SIGNED_IN:
            visitors[-1].signs_in(email)
            SIGNED_IN[email] = contexts[-1].storage_state()
        return visitors[-1]

    yield come
    for context in contexts:
        context.close()
    assert [problem for each in visitors for problem in each.problems] == []


@pytest.fixture
def admin(visitor: Callable[..., Visitor]) -> Visitor:
    return visitor(EMAIL)


@pytest.fixture
def viewer(visitor: Callable[..., Visitor]) -> Visitor:
    return visitor(VIEWER)
