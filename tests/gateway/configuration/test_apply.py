"""``tollgate apply``: a file becomes rows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from accounts.models import Team, User
from billing.models import Price
from gateway.management.commands.seed_demo import seed_demo
from gateway.models import Setting
from providers import routes
from providers.cooldown import Cooldown
from providers.hedging import Hedge
from providers.models import Provider, Target
from providers.secrets import decrypt
from tests.gateway.configuration.conftest import PROVIDER, WHOLE, rows

pytestmark = pytest.mark.django_db


def test_the_whole_file_becomes_rows(apply):
    apply(WHOLE)
    assert Setting.objects.get(name="unpriced").value == "allow"
    provider = Provider.objects.get(name="openai")
    options = {"timeouts": {"total": 60}, "cooldown": {"enabled": False}, "health": {"path": "/models", "every": 30}}
    assert (provider.options, provider.quirks) == (options, {"stream_usage": False})
    assert (decrypt(provider.secret), provider.price_book) == ("sk-upstream-secret", "books")
    route = routes.load().resolve("gpt-4o-latest")
    assert (route.model, route.operations, route.retries, route.unpriced) == (
        "gpt-4o",
        ("chat.completions",),
        1,
        "block",
    )
    assert [(str(target), target.timeout) for target in route.targets] == [
        ("openai/gpt-4o", 60.0),
        ("local/llama", None),
    ]
    assert (route.strategy, route.fallbacks, route.context_fallbacks, route.content_fallbacks) == (
        "weighted",
        ("openai/gpt-4o-mini",),
        ("openai/gpt-4.1",),
        ("openai/gpt-4.1",),
    )
    assert (route.deadline, route.hedge) == (90, Hedge(95, 0.5))
    first, second = route.targets
    assert (first.weight, first.rpm, first.tpm, first.cooldown) == (3, 600, 100_000, None)
    assert (second.weight, second.rpm, second.tpm, second.cooldown) == (1, None, None, Cooldown(3, 0.4, 20, 10))
    assert str(routes.load().resolve("openai/o3").targets[0]) == "openai/o3"
    assert routes.load().default_for("chat.completions").model == "gpt-4o"
    prices = Price.objects.values_list("component", "amount", "unit", "valid_from")
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert set(prices) == {
        ("input", Decimal("2.5"), "million", since),
        ("cached_input", Decimal("1.25"), "million", since),
        ("output", Decimal(10), "million", since),
    }
    user = User.objects.get()
    assert (user.email, user.role) == ("dev@example.com", "viewer")
    assert [(team.name, team.models_allowed) for team in user.teams.all()] == [("data", ["gpt-*"])]


def test_a_second_time_changes_nothing(apply):
    apply(WHOLE)
    before, logged = rows(), LogEntry.objects.count()
    assert apply(WHOLE) == "Nothing to change.\n"
    assert rows() == before
    assert LogEntry.objects.count() == logged


def test_a_dry_run_leaves_everything_and_prints_what_the_real_one_will_do(apply, capsys):
    before = rows()
    with pytest.raises(SystemExit) as ended:
        apply(WHOLE, "--dry-run")
    assert ended.value.code == 2
    assert rows() == before
    assert not LogEntry.objects.exists()
    foretold = capsys.readouterr().out
    assert apply(WHOLE) == f"{foretold}15 changes applied.\n"


def test_a_dry_run_without_a_difference_ends_well(apply):
    apply(WHOLE)
    assert apply(WHOLE, "--dry-run") == "Nothing to change.\n"


def test_the_list_of_changes_reads_well(apply):
    apply(WHOLE)
    changed = (
        WHOLE.replace("retries: 1", "retries: 3")
        .replace("      - {provider: local, upstream_model: llama, priority: 1}\n", "")
        .replace("aliases: [gpt-4o-latest]", "aliases: []")
        .replace("teams: [data]", "teams: []")
    )
    assert apply(changed).splitlines() == [
        "~ route gpt-4o",
        "    aliases: [gpt-4o-latest] -> []",
        "    retries: 1 -> 3",
        "- target gpt-4o → local/llama",
        "- dev@example.com in team data",
        "3 changes applied.",
    ]


def test_no_secret_is_printed_or_logged(apply, monkeypatch):
    out = apply(WHOLE)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-secret")
    out += apply(WHOLE)
    assert out.endswith("~ provider openai\n    secret changed\n1 change applied.\n")
    text = out + str(list(LogEntry.objects.values()))
    assert "sk-upstream-secret" not in text
    assert "sk-another-secret" not in text


def test_the_same_secret_is_not_encrypted_again(apply):
    apply(WHOLE)
    token = Provider.objects.get(name="openai").secret
    apply(WHOLE)
    assert Provider.objects.get(name="openai").secret == token


def test_a_secret_that_cannot_be_read_any_more_is_replaced(apply):
    apply(WHOLE)
    Provider.objects.filter(name="openai").update(secret="rubbish")
    assert "secret changed" in apply(WHOLE)
    assert decrypt(Provider.objects.get(name="openai").secret) == "sk-upstream-secret"


def test_what_the_file_does_not_name_stays(apply):
    apply(WHOLE)
    Provider.objects.create(name="mine")
    before = rows()
    apply("providers: [{name: openai}]\nroutes: [{model: gpt-4o}]\nusers: [{email: dev@example.com}]\nkeys: []")
    apply("")
    assert rows() == before


def test_targets_keep_their_rows_and_pauses_and_follow_the_files_order(apply):
    apply(WHOLE)
    paused_at = datetime(2026, 5, 1, tzinfo=UTC)
    Target.objects.filter(provider__name="local").update(paused_at=paused_at)
    swapped = "[{provider: local, upstream_model: llama}, {provider: openai, upstream_model: gpt-4o}]"
    apply(f"routes: [{{model: gpt-4o, targets: {swapped}}}]")
    targets = Target.objects.filter(route__model="gpt-4o").values_list("provider__name", "paused_at", "timeout")
    assert list(targets) == [("local", paused_at, None), ("openai", None, None)]


def test_the_files_default_takes_the_place_of_the_demos(apply):
    seed_demo()
    out = apply(WHOLE)
    assert "~ route demo\n    default: true -> false\n" in out
    assert routes.load().default_for("chat.completions").model == "gpt-4o"


def test_the_log_names_the_command_and_the_file(apply, tmp_path):
    apply(WHOLE)
    facts = LogEntry.objects.get_for_object(Provider.objects.first()).get().additional_data
    assert facts["by"].startswith("tollgate apply (")
    assert facts["reason"] == f"file {tmp_path / 'tollgate.yaml'}"


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(CommandError, match="No such file"):
        call_command("apply", "/nowhere/tollgate.yaml")


def test_a_dollar_twice_is_a_dollar(apply):
    apply(f'{PROVIDER}teams: [{{name: "$${{HOME}}"}}]')
    assert Team.objects.get().name == "${HOME}"


def test_the_example_file_can_be_applied(apply, monkeypatch):
    for name in ("OPENAI_API_KEY", "TOGETHER_API_KEY"):
        monkeypatch.setenv(name, "sk-x")
    text = (Path(__file__).parents[3] / "deploy/tollgate.example.yaml").read_text()
    apply(text)
    assert apply(text) == "Nothing to change.\n"
