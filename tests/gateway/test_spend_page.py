"""The page of spend: parts that make a whole, comparison with the time before, one thing among another's requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts import roles
from accounts.models import User
from billing import breakdown
from gateway.pages import ranges
from tests.billing.test_log import write

DAY = datetime(2026, 10, 20, tzinfo=UTC)
OCTOBER_20 = "range=custom&from=2026-10-20&to=2026-10-20"


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("admin@example.com", "a long password", role=roles.ADMIN))
    return client


def test_the_rows_add_up_with_what_was_spent_by_none(admin: Client):
    write({"at": DAY, "end_user": "eve"}, {"at": DAY}, {"at": DAY, "end_user": "bob"})
    page = admin.get(f"/admin/spend/?{OCTOBER_20}&by=end_user&measure=requests").context
    assert {row.name: row.amount for row in page["rows"]} == {"eve": 1, "bob": 1, "no end user": 1}
    assert page["rows"][-1].name == page["chart"].series[-1] == "no end user"
    assert page["total"].requests == page["whole"] == 3


def test_a_chart_of_many_values_names_the_largest_and_has_the_rest_as_one(admin: Client):
    write(*({"at": DAY, "model": f"m{model}"} for model in range(12) for _ in range(model + 1)))
    drawn = admin.get(f"/admin/spend/?{OCTOBER_20}&by=model&measure=requests").context["chart"]
    assert drawn.series == [*(f"m{model}" for model in range(11, 4, -1)), "other"]
    titles = [segment.title for bar in drawn.bars for segment in bar.segments]
    assert [title.split(": ")[1].split(",")[0] for title in titles] == [
        *(f"m{model} {model + 1}" for model in range(11, 4, -1)),
        "other 15",
    ]


@pytest.mark.parametrize(("filters", "by"), [("user=1", "model"), ("user=1", "tag"), ("user=1&model=a", "end_user")])
def test_one_thing_among_the_requests_of_another(admin: Client, filters: str, by: str):
    write(
        {"at": DAY, "model": "a", "tags": ("a",), "end_user": "a"},
        {"at": DAY, "model": "b", "tags": ("b",), "user": 2, "end_user": "b"},
        {"at": DAY - timedelta(days=1), "model": "a", "tags": ("a",), "end_user": "a"},
    )
    page = admin.get(f"/admin/spend/?{OCTOBER_20}&by={by}&{filters}&zone=Asia/Kathmandu")
    (row,) = page.context["rows"]
    assert (row.name, row.sums.requests, row.before.requests) == ("a", 1, 1)
    assert (page.context["total"].requests, page.context["total_before"].requests) == (1, 1)
    assert [bar.title for bar in page.context["chart"].bars if bar.segments]


def test_what_is_too_much_to_count_is_said_and_the_page_stands(admin: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(breakdown, "MOST_RECORDS", 1)
    write({"at": DAY}, {"at": DAY})
    answer = admin.get(f"/admin/spend/?{OCTOBER_20}&by=tag&user=1")
    assert "more than 1 requests fit" in answer.content.decode()
    assert answer.context["total"].requests == 2


@pytest.mark.parametrize(
    ("query", "now", "before"),
    [
        ({"range": "last-month"}, datetime(2026, 3, 15, tzinfo=UTC), ("2026-01-01", "2026-02-01")),
        ({"range": "month"}, datetime(2026, 3, 15, 11, 50, tzinfo=UTC), ("2026-02-01", "2026-02-15T12:00")),
        ({"range": "month"}, datetime(2026, 3, 31, 11, 50, tzinfo=UTC), ("2026-02-01", "2026-03-01")),
        (
            {"range": "custom", "from": "2026-10-25", "to": "2026-10-25", "zone": "Europe/Berlin"},
            DAY,
            ("2026-10-23T22:00", "2026-10-24T22:00"),
        ),
        ({"range": "24h"}, DAY + timedelta(minutes=1), ("2026-10-18T00:15", "2026-10-19T00:15")),
    ],
)
def test_a_range_is_compared_with_the_one_before_in_the_calendar(query, now, before):
    found = ranges.chosen(query, now).before
    assert (found.start, found.end) == tuple(datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in before)
