"""`tollgate prices sync` and `tollgate prices import`: differences shown, rows added, none edited."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from billing import seeding
from billing.models import Price
from providers.models import ModelRoute, Provider, Target

pytestmark = pytest.mark.django_db

CHAT = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def prices(capsys):
    """Run the command and return what it printed and how it exited."""

    def run(*words):
        try:
            call_command("prices", *map(str, words))
            code = 0
        except SystemExit as exit:
            code = exit.code
        return capsys.readouterr().out, code

    return run


@pytest.fixture
def file(tmp_path):
    def write(entries):
        path = tmp_path / "prices.json"
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        return path

    return write


def row(model="gpt-4o", component="input", amount="2.5", source="admin", valid_from=JANUARY):
    return Price.objects.create(
        provider="openai", upstream_model=model, component=component, amount=Decimal(amount), valid_from=valid_from,
        source=source,
    )  # fmt: skip


def rows():
    return set(Price.objects.values_list("pk", "amount", "valid_from"))


def test_shows_the_difference_and_changes_nothing_before_it_is_told_to(prices):
    out, code = prices("sync", "--provider", "openai")
    assert code == 0
    assert "+ openai/gpt-4o\n" in out
    assert "--apply inserts the rows" in out
    assert not Price.objects.exists()


def test_adds_rows_once_and_edits_none(prices):
    row("gpt-4o", amount="3", source="genai-prices 0.1")
    row("gpt-4o", "output", "99")
    before = rows()
    out, _ = prices("sync", "--provider", "openai", "--apply")
    assert "~ openai/gpt-4o\n    input: 3 -> 2.5 since " in out
    assert "! openai/gpt-4o output stays: 99 of admin is somebody's own; the list says 10" in out
    assert before < rows()
    assert Price.objects.filter(upstream_model="gpt-4o", component="input", source=seeding.SOURCE).count() >= 1
    entry = LogEntry.objects.get_for_model(Price).latest("id")
    assert entry.additional_data["event"] == "prices taken over"
    assert "tollgate prices sync" in entry.additional_data["by"]
    after = rows()
    out, _ = prices("sync", "--provider", "openai", "--apply")
    assert out.splitlines()[-1].startswith("0 rows: nothing new")
    assert rows() == after


def test_replaces_an_admins_price_when_asked(prices):
    row("gpt-4o", "output", "99")
    prices("sync", "--provider", "openai", "--apply", "--override")
    newest = Price.objects.filter(upstream_model="gpt-4o", component="output", service_tier="").latest("valid_from")
    assert newest.amount == 10


def test_imports_a_file_once(prices, file):
    path = file({"gpt-9": CHAT, "gpt-4o": {**CHAT, "input_cost_per_token": 1e-06}, "free": {**CHAT, "mode": "x"}})
    row("gpt-4o", amount="2", source="genai-prices 0.1")
    row("gpt-4o", "output", "10", source="genai-prices 0.1")
    assert prices("import", path, "--dry-run")[1] == 2
    assert Price.objects.count() == 2
    out, code = prices("import", path)
    assert code == 0
    assert "+ openai/gpt-9\n    input: 2.5 since " in out
    assert "    input: 2 -> 1 since " in out
    assert Price.objects.filter(source__startswith="litellm ").count() == 5
    assert prices("import", path, "--dry-run")[1] == 0
    assert prices("import", path)[0].splitlines()[-1] == "0 rows: nothing new"


def test_an_import_leaves_an_admins_prices_alone_and_says_so(prices, file):
    row("gpt-4o", amount="7")
    row("gpt-9", amount="7", source="tollgate.yaml")
    out, _ = prices("import", file({"gpt-4o": CHAT, "gpt-9": CHAT}))
    assert out.count("stays: 7 of ") == 4
    assert Price.objects.count() == 2


def test_new_models_may_have_cost_it_since_a_day(prices, file):
    prices("import", file({"gpt-9": CHAT}), "--from", "2026-01-01")
    assert set(Price.objects.values_list("valid_from", flat=True)) == {JANUARY}
    with pytest.raises(CommandError, match="takes a day"):
        prices("import", file({"gpt-9": CHAT}), "--from", "yesterday")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[1]",
        "{}",
        json.dumps({"gpt-4o": {**CHAT, "input_cost_per_token": "0"}}),
        json.dumps({"gpt-4o": CHAT, "gpt-9": {**CHAT, "output_cost_per_token": -1}}),
    ],
)
def test_a_broken_file_changes_nothing(text, prices, file):
    row()
    before = rows()
    with pytest.raises(CommandError, match="is not imported, and nothing is changed"):
        prices("import", file(text))
    assert rows() == before


def test_a_file_that_is_not_there_is_an_error(prices, tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        prices("import", tmp_path / "nothing.json")


def test_fills_in_context_windows_that_nobody_set(prices, file):
    provider = Provider.objects.create(name="main", price_book="openai")
    route = ModelRoute.objects.create(model="gpt-9")
    empty = Target.objects.create(route=route, provider=provider)
    said = Target.objects.create(route=route, provider=provider, upstream_model="gpt-9", context_window=5)
    path = file({"gpt-9": {**CHAT, "max_input_tokens": 128_000, "max_output_tokens": 4096}})
    prices("import", path, "--windows", "--dry-run")
    empty.refresh_from_db()
    assert empty.context_window is None
    out, _ = prices("import", path, "--windows")
    assert "context_window: 128000" in out
    for target in (empty, said):
        target.refresh_from_db()
    assert (empty.context_window, empty.max_output) == (128_000, 4096)
    assert (said.context_window, said.max_output) == (5, 4096)


def test_the_library_knows_windows_too(prices):
    provider = Provider.objects.create(name="openai")
    target = Target.objects.create(route=ModelRoute.objects.create(model="gpt-4o"), provider=provider)
    prices("sync", "--provider", "openai", "--windows", "--apply")
    target.refresh_from_db()
    assert target.context_window == 128_000
