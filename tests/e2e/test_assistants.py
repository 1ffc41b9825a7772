"""Assistants, threads and runs in the browser: a run's steps on a time axis, and one that hangs is cancelled."""

from __future__ import annotations

import pytest

from tests.gateway.assistants.running import WEATHER, Caller, calling, records_of
from tests.upstream import streamed

ROUTES = """
providers:
  - {{name: told, adapter: openai, base_url: "{url}", secret: told-secret, options: {{allow_private: true}}}}
routes:
  - {{model: told, retries: 0, targets: [{{provider: told, upstream_model: told-1}}]}}
prices:
  - {{provider: told, upstream_model: told-1, from: 2026-01-01, input: 2.50, cached_input: 1.25, output: 10.00}}
"""
SAID = "What is the weather in Oslo, asked Mia alone"


@pytest.fixture
def caller(site, fake_upstream):
    fake_upstream.reset()
    site.apply(ROUTES.format(url=fake_upstream.url))
    return Caller(site)


@pytest.fixture
def assistant(caller):
    return caller.assistant(name="Weather desk", model="told", tools=[WEATHER], instructions="Be brief.")


@pytest.fixture
def waiting(caller, assistant, fake_upstream):
    """A run that waits for what comes of a call."""
    fake_upstream.will_stream(calling(("call_1", "weather", {"city": "Oslo"})))
    return caller.rests(caller.begin(caller.thread(SAID), assistant))


def _opens(person, path):
    """Open what the list at ``path`` shows first."""
    person.goes_to(path)
    person.page.click("table.tg-table tbody a")
    person.page.wait_for_load_state("networkidle")


def test_a_runs_steps_stand_on_a_time_axis_with_tokens_and_cost(admin, caller, waiting, site, fake_upstream):
    fake_upstream.will_stream(streamed(["Rain, ", "4 degrees."]))
    caller.submit(waiting, "Rain, 4")
    assert caller.rests(waiting)["status"] == "completed"
    records_of(site, waiting, 2)
    _opens(admin, f"/admin/gateway/run/?q={waiting['id']}")
    assert "2 calls" in admin.state
    bars = admin.page.locator("table.tg-explain svg.tg-timeline rect:not(.tg-axis)")
    steps = admin.page.locator("table.tg-explain tbody tr").all_inner_texts()
    assert bars.count() == len(steps) >= 2
    assert all(bar.bounding_box()["width"] > 0 for bar in bars.all())
    assert sum("$0.0" in step for step in steps) == 2


def test_a_run_that_hangs_is_cancelled(admin, caller, waiting):
    _opens(admin, f"/admin/gateway/run/?q={waiting['id']}")
    assert "weather" in admin.page.inner_text(".tg-note.tg-warn")
    admin.page.click("text=Cancel run")
    admin.page.wait_for_load_state("networkidle")
    admin.presses("Cancel run")
    assert "cancelled" in admin.state.lower()
    assert caller.until(waiting, "cancelled")["status"] == "cancelled"
    assert admin.page.get_by_text("Cancel run", exact=True).count() == 0


def test_only_admins_read_what_was_said_and_that_is_written_down(admin, viewer, waiting, assistant):
    for person, reads in ((admin, True), (viewer, False)):
        _opens(person, f"/admin/gateway/assistant/?q={assistant}")
        assert "Weather desk" in person.page.inner_text("h1")
        assert ("Be brief." in person.page.content()) is reads
        _opens(person, f"/admin/gateway/thread/?q={waiting['thread_id']}")
        assert waiting["thread_id"] in person.page.inner_text(".tg-facts")
        assert SAID not in person.page.content()
        assert person.page.get_by_text("Read messages").count() == reads
    _opens(admin, f"/admin/gateway/thread/?q={waiting['thread_id']}")
    admin.page.click("text=Read messages")
    admin.page.wait_for_load_state("networkidle")
    assert SAID in admin.page.content()
    admin.goes_to("/admin/auditlog/logentry/")
    assert waiting["thread_id"] in admin.page.content()
