"""The admin's pages of assistants, threads and runs: what they say, to whom, and what is written down of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry

from accounts import roles
from accounts.models import Team, User
from billing import bulk, clock, ids, lines
from billing.models import Adjustment
from billing.pricing import PriceRow, Usage, cost_of
from gateway.assistants.rows import Assistant, Message, Run, RunStep, Thread, new_handle

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
ROWS = (PriceRow(1, "input", 0, "", "million", 25_000_000_000), PriceRow(2, "output", 0, "", "million", 10**11))
SECRET = "what Mia told her assistant alone"
INSTRUCTIONS = "instructions that not everybody reads"


@pytest.fixture
def people():
    return {
        role: User.objects.create_user(f"{role}@example.com", PASSWORD, role=role) for role, _ in roles.GATEWAY_ROLES
    }


@pytest.fixture
def owner(people):
    return people["member"]


@pytest.fixture
def admin(client, people):
    client.force_login(people["admin"])
    return client


@pytest.fixture
def viewer(client, people):
    client.force_login(people["viewer"])
    return client


@pytest.fixture
def assistant(owner):
    body = {
        "name": "Travel desk", "model": "gpt-4o", "instructions": INSTRUCTIONS, "metadata": {"floor": "third"},
        "tools": [{"type": "file_search"}, {"type": "function", "function": {"name": "book_train"}}],
    }  # fmt: skip
    return Assistant.objects.create(handle=new_handle("assistant"), created_at=clock.now(), body=body, user=owner)


@pytest.fixture
def thread(owner):
    made = Thread.objects.create(handle=new_handle("thread"), created_at=clock.now(), body={"metadata": {}}, user=owner)
    say(made, "user", SECRET)
    return made


def say(thread, role, text, **fields):
    content = [{"type": "text", "text": {"value": text, "annotations": []}}]
    given = {"created_at": clock.now(), **fields}
    return Message.objects.create(thread=thread, handle=new_handle("message"), role=role, content=content, **given)


def begin(thread, assistant, status="in_progress", ago=timedelta(seconds=20), **fields):
    begun = clock.now() - ago
    given = {
        "asked": {"model": "gpt-4o", "tools": assistant.body["tools"], "instructions": INSTRUCTIONS},
        "created_at": begun, "started_at": begun + timedelta(seconds=1), "expires_at": begun + timedelta(minutes=10),
        "lease_until": clock.now() + timedelta(seconds=20) if status == "in_progress" else None, "user": thread.user,
        **fields,
    }  # fmt: skip
    return Run.objects.create(
        thread=thread, handle=new_handle("run"), assistant=assistant.handle, status=status, **given
    )


def step(run, kind="message_creation", status="completed", record="", **fields):
    at = run.started_at + timedelta(seconds=1)
    given = {"details": {"type": kind, kind: {}}, "created_at": at, "completed_at": at + timedelta(seconds=2), **fields}
    return RunStep.objects.create(run=run, handle=new_handle("step"), type=kind, status=status, record=record, **given)


def call(run, tokens=(1000, 500), rows=ROWS, **fields):
    """Put a call of the run into the ledger: 0.0075 USD unless it says otherwise."""
    at = ids.microseconds(run.started_at)
    usage = Usage(input=tokens[0], output=tokens[1])
    line = lines.Settled(
        id=ids.new(at), request_id=f"req_{at}", operation="chat.completions", model="gpt-4o", provider="openai",
        upstream_model="gpt-4o-2026", user=run.user_id, run_id=run.handle, price_rows=rows, finished_at=at + 2_900_000,
        cost=cost_of(usage, rows).atoms if rows else None, latency_ms=2900, first_token_ms=300,
        **lines.usage_columns(usage), **{"status": "completed", "http_status": 200, **fields},
    )  # fmt: skip
    bulk.insert_records([line])
    return line


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("viewer", 200), ("member", 302)])
def test_who_enters_the_admin_sees_what_there_is(client, people, assistant, thread, role, status):
    run = begin(thread, assistant)
    client.force_login(people[role])
    for kind, row in (("assistant", assistant), ("thread", thread), ("run", run)):
        assert client.get(f"/admin/gateway/{kind}/").status_code == status
        response = client.get(f"/admin/gateway/{kind}/{row.pk}/change/")
        assert response.status_code == status
        assert status == 302 or row.handle in text_of(response)


def test_what_was_said_is_read_by_admins_alone_and_that_is_written_down(client, people, thread, assistant):
    run = begin(thread, assistant, "completed", completed_at=clock.now())
    calls = [{"id": "call_1", "type": "function", "function": {"name": "book_train", "arguments": '{"to": "Bonn"}'}}]
    step(run, "tool_calls", details={"type": "tool_calls", "tool_calls": calls})
    client.force_login(people["viewer"])
    for path in (f"thread/{thread.pk}/change/", f"run/{run.pk}/change/", "thread/", "run/"):
        page = text_of(client.get(f"/admin/gateway/{path}"))
        assert SECRET not in page
        assert INSTRUCTIONS not in page
        assert "Bonn" not in page
    assert client.get(f"/admin/gateway/thread/{thread.pk}/messages/").status_code == 403
    assert not LogEntry.objects.filter(additional_data__event="messages read").exists()

    client.force_login(people["admin"])
    assert SECRET not in text_of(client.get(f"/admin/gateway/thread/{thread.pk}/change/"))
    page = text_of(client.get(f"/admin/gateway/thread/{thread.pk}/messages/"))
    assert SECRET in page
    assert "Bonn" in page
    entry = LogEntry.objects.get(additional_data__event="messages read")
    assert (entry.actor_email, entry.object_repr) == ("admin@example.com", thread.handle)
    assert thread.handle in text_of(client.get("/admin/auditlog/logentry/"))


def test_messages_are_shown_as_they_were_said_and_never_as_a_page(admin, thread):
    say(thread, "assistant", "<script>alert(1)</script>\n  two lines")
    page = admin.get(f"/admin/gateway/thread/{thread.pk}/messages/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\n  two lines" in page
    assert "<script>alert" not in page


def test_messages_come_in_pages_the_newest_first_to_be_seen(admin, thread):
    for number in range(120):
        say(thread, "user", f"message number {number:03}")
    page = text_of(admin.get(f"/admin/gateway/thread/{thread.pk}/messages/"))
    assert "message number 119" in page
    assert page.index("message number 118") < page.index("message number 119")
    assert "message number 019" not in page
    older = page.split("before=")[1].split('"')[0]
    assert "message number 019" in text_of(admin.get(f"/admin/gateway/thread/{thread.pk}/messages/?before={older}"))


def test_a_run_shows_its_steps_in_time_with_tokens_and_what_its_calls_cost(viewer, thread, assistant):
    run = begin(thread, assistant, "completed", completed_at=clock.now())
    other = begin(thread, assistant, "completed", completed_at=clock.now())
    line = call(run)
    call(other, (9000, 9000))
    found = [{"id": "call_1", "type": "file_search", "file_search": {"results": []}}]
    step(run, "tool_calls", details={"type": "tool_calls", "tool_calls": found})
    step(run, record=line.id, usage={"total_tokens": 1500})
    page = text_of(viewer.get(f"/admin/gateway/run/{run.pk}/change/"))
    assert "$0.0075" in page
    assert "1,500 tokens" in page or ">1,500</span> tokens in 1 call" in page
    assert "file_search" in page
    assert "completed after 2.0 s" in page
    assert "9,000" not in page
    assert f"/admin/billing/usagerecord/{line.id}/change/" in page


def test_a_run_costs_what_corrections_made_of_it(viewer, thread, assistant):
    run = begin(thread, assistant, "completed", completed_at=clock.now())
    line = call(run)
    Adjustment.objects.create(
        record=line.id, cause="reprice 1", actor="ada", reason="a wrong price", cost=Decimal("0.0025"),
        created_at=clock.now(),
    )  # fmt: skip
    assert "$0.010" in text_of(viewer.get(f"/admin/gateway/run/{run.pk}/change/"))
    assert "$0.010" in text_of(viewer.get("/admin/gateway/run/"))


def test_a_run_of_unknown_cost_says_so(viewer, thread, assistant):
    run = begin(thread, assistant, "completed", completed_at=clock.now())
    call(run, rows=None)
    assert "unpriced" in text_of(viewer.get(f"/admin/gateway/run/{run.pk}/change/"))


def test_a_call_that_no_step_came_of_is_shown_too(viewer, thread, assistant):
    error = {"code": "server_error", "message": "The model could not be reached."}
    run = begin(thread, assistant, "failed", failed_at=clock.now(), last_error=error)
    first = call(run, (0, 0), status="interrupted", http_status=None)
    call(run, (0, 0), status="upstream_error", http_status=502, retry_of=first.id)
    page = text_of(viewer.get(f"/admin/gateway/run/{run.pk}/change/"))
    assert "The model could not be reached." in page
    assert "interrupted after 2.9 s" in page
    assert "Call in the place of another" in page


def test_an_admin_cancels_a_run_that_hangs(admin, thread, assistant):
    run = begin(thread, assistant, lease_until=clock.now() - timedelta(minutes=5))
    assert "in progress, hanging" in text_of(admin.get(f"/admin/gateway/run/{run.pk}/change/"))
    assert "1 hanging" in text_of(admin.get("/admin/gateway/run/"))
    address = f"/admin/gateway/run/{run.pk}/cancel/"
    assert run.handle in text_of(admin.get(address))
    run.refresh_from_db()
    assert run.status == "in_progress"
    assert "The run is cancelled." in text_of(admin.post(address, follow=True))
    run.refresh_from_db()
    assert run.status == "cancelled"
    entry = LogEntry.objects.get(additional_data__event="run cancelled")
    assert (entry.actor_email, entry.object_repr) == ("admin@example.com", run.handle)
    assert "has ended already" in text_of(admin.post(address, follow=True))
    begin(thread, assistant)  # its thread is free


def test_a_run_that_somebody_works_on_is_ended_by_whoever_does(admin, thread, assistant):
    run = begin(thread, assistant)
    assert "ends it now" in text_of(admin.post(f"/admin/gateway/run/{run.pk}/cancel/", follow=True))
    run.refresh_from_db()
    assert run.status == "cancelling"


def test_viewers_cancel_nothing(viewer, thread, assistant):
    run = begin(thread, assistant)
    address = f"/admin/gateway/run/{run.pk}/cancel/"
    assert address not in text_of(viewer.get(f"/admin/gateway/run/{run.pk}/change/"))
    assert viewer.get(address).status_code == viewer.post(address).status_code == 403
    run.refresh_from_db()
    assert run.status == "in_progress"


def test_a_run_that_waits_for_its_caller_says_for_what(viewer, thread, assistant):
    awaited = {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "book_train"}}]}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": awaited}
    run = begin(thread, assistant, "requires_action", required_action=action)
    page = text_of(viewer.get(f"/admin/gateway/run/{run.pk}/change/"))
    assert "waits for its caller to send what came of book_train" in page
    assert "hanging" not in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3), ("?status=open", 1), ("?status=completed", 2), ("?status=hanging", 0), ("?status=nonsense", 3),
        ("?q=member@example", 2), ("?q=night", 1), ("?q=nobody", 0), ("?q=%00", 3), ("?before=abc", 3),
    ],
)  # fmt: skip
def test_runs_are_found_by_status_and_whose_they_are(viewer, thread, assistant, query, count):
    begin(thread, assistant)
    begin(thread, assistant, "completed", completed_at=clock.now())
    machine = Thread.objects.create(
        handle=new_handle("thread"), created_at=clock.now(), body={}, team=Team.objects.create(name="night shift")
    )
    begin(machine, assistant, "completed", completed_at=clock.now(), user=None, team=machine.team)
    page = text_of(viewer.get(f"/admin/gateway/run/{query}"))
    assert page.count('/change/"><time') == count


def test_what_has_an_id_is_found_by_it(viewer, thread, assistant):
    run = begin(thread, assistant)
    for kind, row in (("run", run), ("thread", thread), ("assistant", assistant)):
        assert "/change/" in text_of(viewer.get(f"/admin/gateway/{kind}/?q={row.handle}"))
        found = viewer.get(f"/admin/search/?s={row.handle}&extended=1").content.decode()
        assert f"/admin/gateway/{kind}/{row.pk}/change/" in found
    assert "No run fits" in text_of(viewer.get(f"/admin/gateway/run/?q={run.handle[:-1]}"))


def test_lists_come_in_pages(viewer, owner, assistant):
    for _ in range(60):
        Thread.objects.create(handle=new_handle("thread"), created_at=clock.now(), body={}, user=owner)
    page = text_of(viewer.get("/admin/gateway/thread/"))
    assert "<b>60 threads</b>" in page
    assert page.count('/change/"><time') == 50
    older = page.split("before=")[1].split('"')[0]
    rest = text_of(viewer.get(f"/admin/gateway/thread/?before={older}"))
    assert rest.count('/change/"><time') == 10
    assert "← Newer" in rest


def test_an_assistant_shows_what_it_goes_by_and_its_runs(admin, thread, assistant):
    run = begin(thread, assistant, "completed", completed_at=clock.now())
    call(run)
    page = text_of(admin.get(f"/admin/gateway/assistant/{assistant.pk}/change/"))
    for words in ("Travel desk", "gpt-4o", "file_search, book_train", "third", INSTRUCTIONS, "$0.0075"):
        assert words in page
    assert f"/admin/gateway/run/{run.pk}/change/" in page


@pytest.mark.parametrize("kind", ["assistant", "thread", "run"])
def test_what_is_not_there_is_not_found(admin, kind):
    for number in ("999999", "x", "9" * 40):
        assert admin.get(f"/admin/gateway/{kind}/{number}/change/").status_code == 404
    assert admin.get(f"/admin/gateway/{kind}/").status_code == 200
    assert admin.get(f"/admin/gateway/{kind}/add/").status_code == 403
