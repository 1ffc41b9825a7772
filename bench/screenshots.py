"""Every page as PNG, light, dark and at a phone's width: ``python -m bench.screenshots [--into FOLDER] [--only WORD]``.

Starts a gateway of its own on an empty state folder, fills it with ``bench.scene`` and drives real Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.live import Gateway

# of bench/scene.py, whose import would open the database of this process instead
ADMIN, PASSWORD = "ada@example.com", "a long password for pictures"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
]
ROW = "tbody tr:first-child th a"
RECORD = "tbody tr:first-child td a"
PAGES = {
    "home": "/",
    "docs": "/docs",
    "login": "/accounts/login/",
    "overview": "/admin/",
    "spend": "/admin/spend/",
    "spend-users-24h": "/admin/spend/?by=user&range=24h&measure=requests",
    "spend-filtered": "/admin/spend/?by=tag&user=3&model=gpt-4o&zone=Asia/Kathmandu",
    "spend-teams": "/admin/spend/?by=team&range=month",
    "spend-empty": "/admin/spend/?by=tag&range=custom&from=2020-01-01&to=2020-01-02",
    "requests": "/admin/billing/usagerecord/?range=7d",
    "requests-unpriced": "/admin/billing/usagerecord/?range=30d&flag=unpriced",
    "requests-empty": "/admin/billing/usagerecord/?model=nothing",
    "request": f"/admin/billing/usagerecord/?range=30d&model=gpt-5 > {RECORD}",
    "request-fallback": f"/admin/billing/usagerecord/?range=30d&model=claude-sonnet-4-5&provider=openai > {RECORD}",
    "request-unpriced": f"/admin/billing/usagerecord/?range=30d&flag=unpriced > {RECORD}",
    "keys": "/admin/accounts/apikey/",
    "key": f"/admin/accounts/apikey/?q=search > {ROW}",
    "key-revoked": f"/admin/accounts/apikey/?q=taxi > {ROW}",
    "key-issue": "/admin/accounts/apikey/add/",
    "users": "/admin/accounts/user/",
    "user": f"/admin/accounts/user/?q=grace > {ROW}",
    "user-add": "/admin/accounts/user/add/",
    "teams": "/admin/accounts/team/",
    "team": f"/admin/accounts/team/?q=data > {ROW}",
    "routes": "/admin/providers/modelroute/",
    "route": f"/admin/providers/modelroute/?q=claude > {ROW}",
    "providers": "/admin/providers/provider/",
    "provider": f"/admin/providers/provider/?q=openai > {ROW}",
    "budgets": "/admin/billing/budget/",
    "budgets-users": "/admin/billing/budget/?of=user",
    "budgets-ended": "/admin/billing/budget/?view=ended",
    "budgets-empty": "/admin/billing/budget/?q=nothing+at+all",
    "budget": f"/admin/billing/budget/?q=search > {RECORD}",
    "budget-observed": f"/admin/billing/budget/?q=grace > {RECORD}",
    "budget-add": "/admin/billing/budget/add/?team=1",
    "budget-end": "/admin/billing/budget/2/end/",
    "more": "/admin/billing/requestformore/",
    "more-waiting": f"/admin/billing/requestformore/?state=waiting > {ROW}",
    "more-approved": f"/admin/billing/requestformore/?state=approved > {ROW}",
    "more-approve": "/admin/billing/requestformore/3/approve/",
    "more-decline": "/admin/billing/requestformore/3/decline/",
    "grants": "/admin/billing/grant/",
    "grant": f"/admin/billing/grant/ > {ROW}",
    "grant-add": "/admin/billing/grant/add/",
    "model-grants": "/admin/accounts/modelgrant/",
    "model-grant-add": "/admin/accounts/modelgrant/add/",
    "limits": "/admin/billing/limit/",
    "limit": f"/admin/billing/limit/?q=data > {ROW}",
    "limit-add": "/admin/billing/limit/add/",
    "prices": "/admin/billing/price/",
    "prices-history": "/admin/billing/price/?view=history&book=openai&q=gpt-4o",
    "price-add": "/admin/billing/price/add/?provider=openai&upstream_model=gpt-4o",
    "price-again": "/admin/billing/price/reprice/",
    "price-again-shown": "/admin/billing/price/reprice/?start=2026-01-01&end=2099-12-31&model=&provider=",
    "margins": "/admin/billing/markup/",
    "margin-add": "/admin/billing/markup/add/",
    "bills": "/admin/billing/bill/",
    "bill": f"/admin/billing/bill/ > {RECORD}",
    "assistants": "/admin/gateway/assistant/",
    "assistants-none": "/admin/gateway/assistant/?q=nobody",
    "assistant": f"/admin/gateway/assistant/ > {RECORD}",
    "threads": "/admin/gateway/thread/",
    "thread": f"/admin/gateway/thread/ > {RECORD}",
    "thread-messages": "/admin/gateway/thread/41/messages/",
    "runs": "/admin/gateway/run/",
    "runs-hanging": "/admin/gateway/run/?status=hanging",
    "runs-none": "/admin/gateway/run/?q=nobody",
    "run": f"/admin/gateway/run/?status=completed > {RECORD}",
    "run-waiting": f"/admin/gateway/run/?status=requires_action > {RECORD}",
    "run-failed": f"/admin/gateway/run/?status=failed > {RECORD}",
    "run-open": f"/admin/gateway/run/?status=in_progress > {RECORD}",
    "run-cancel": "/admin/gateway/run/44/cancel/",
    "health": "/admin/health/",
    "alerts": "/admin/billing/alert/",
    "alert": f"/admin/billing/alert/ > {ROW}",
    "channels": "/admin/gateway/alertchannel/",
    "channel": f"/admin/gateway/alertchannel/?q=hooks > {ROW}",
    "channel-add": "/admin/gateway/alertchannel/add/",
    "channel-test": "/admin/gateway/alertchannel/1/test/",
    "log": "/admin/auditlog/logentry/",
    "log-entry": f"/admin/auditlog/logentry/ > {ROW}",
}
# seen by who is not signed in
OUTSIDE = ("home", "docs", "login")
LOOKS = {"light": (1440, 900, "light"), "dark": (1440, 900, "dark"), "phone": (390, 844, "light")}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--into", type=Path, default=Path("scratch/screenshots"))
    options.add_argument("--only", default="", help="pages whose name has this")
    options.add_argument("--looks", nargs="*", default=list(LOOKS), choices=list(LOOKS))
    options.add_argument("--base", default="", help="a gateway that runs already and has the scene")
    given = options.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with _gateway(given.base) as base, browser() as chromium:
        problems: list[str] = []
        for look in given.looks:
            problems += _shoot(chromium, base, look, given.into, given.only)
    print("\n".join(problems) or "no console error, nothing from another host")
    sys.exit(bool(problems))


@contextmanager
def _gateway(base: str) -> Iterator[str]:
    if base:
        yield base
        return
    gateway = Gateway(worker=False)
    try:
        gateway.start()
        subprocess.run([sys.executable, "-m", "bench.scene"], env=gateway.environment, check=True)
        yield gateway.base
    finally:
        gateway.destroy()


@contextmanager
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        sys.exit("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


def sign_in(page: Page, base: str, email: str = ADMIN, password: str = PASSWORD) -> None:
    page.goto(f"{base}/accounts/login/?next=/admin/")
    page.fill("input[name=username]", email)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{base}/admin/")


def watch(page: Page, base: str, problems: list[str]) -> None:
    """Note console errors and requests that leave for another host."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"console on {page.url}: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((base, "data:", "blob:")):
            problems.append(f"{page.url} asked {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: problems.append(f"script error on {page.url}: {error}"))
    page.on("request", on_request)


def _shoot(chromium: Browser, base: str, look: str, into: Path, only: str) -> list[str]:
    width, height, scheme = LOOKS[look]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    watch(page, base, problems)
    for name in OUTSIDE:
        if only in name:
            _picture(page, base, PAGES[name], into / f"{name}-{look}.png")
    sign_in(page, base)
    for name, address in PAGES.items():
        if name not in OUTSIDE and only in name:
            _picture(page, base, address, into / f"{name}-{look}.png")
    if only in "key-secret":
        _secret(page, base, into / f"key-secret-{look}.png")
    context.close()
    return problems


def _picture(page: Page, base: str, address: str, file: Path) -> None:
    """Take ``address``, or what the selector behind " > " leads to there."""
    address, _, selector = address.partition(" > ")
    page.goto(base + address)
    if selector:
        page.goto(base + page.get_attribute(selector, "href"))
    page.wait_for_load_state("networkidle")
    page.screenshot(path=str(file), full_page=True)


def _secret(page: Page, base: str, file: Path) -> None:
    page.goto(f"{base}/admin/accounts/apikey/add/")
    page.fill("input[name=name]", "for the picture")
    page.select_option("select[name=user]", label=ADMIN)
    page.click("text=Issue key >> nth=-1")
    page.wait_for_selector("#secret")
    page.screenshot(path=str(file), full_page=True)


if __name__ == "__main__":
    main()
