"""``tollgate issue_key`` and ``tollgate seed_demo``."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.keys import digest_of
from accounts.models import ApiKey, Team, User
from billing.models import Price
from providers import routes
from providers.models import ModelRoute, Provider
from providers.operations import MEDIA

TOKENS = {"input": 1, "output": 2}
SOLD = TOKENS | {"audio_in": 1, "character": 1, "second": 1}
pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_secret_stands_alone_on_standard_output():
    out, _ = run("issue_key", "--user", "dev@example.com")
    key = ApiKey.objects.get()
    assert out == f"{out.strip()}\n"
    assert key.digest == digest_of(out.strip())
    assert key.user.email == "dev@example.com"


def test_a_new_address_becomes_a_user_without_a_password_and_is_not_made_twice():
    run("issue_key", "--user", "Dev@Example.com")
    run("issue_key", "--user", "dev@example.com")
    user = User.objects.get()
    assert not user.has_usable_password()
    assert user.api_keys.count() == 2


def test_name_models_expiry_and_team_are_kept_and_the_user_joins_the_team():
    team = Team.objects.create(name="data")
    arguments = ["--team", "data", "--name", "ci", "--models", "gpt-*", "claude", "--expires", "30"]
    _, err = run("issue_key", "--user", "dev@example.com", *arguments)
    key = ApiKey.objects.get()
    assert (key.name, key.models_allowed, key.team) == ("ci", ["gpt-*", "claude"], team)
    assert timedelta(days=29) < key.expires_at - timezone.now() <= timedelta(days=30)
    assert team.memberships.get().user == key.user
    assert "member of the team data" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--user", "dev@example.com", "--team", "nowhere"], "no team 'nowhere'"),
        (["--user", "nonsense"], "no e-mail address"),
        (["--user", "gone@example.com"], "not active"),
        (["--user", "dev@example.com", "--expires", "0"], "1 or more"),
        ([], "--user"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(arguments, says):
    User.objects.create_user("gone@example.com", is_active=False)
    with pytest.raises(CommandError, match=says):
        run("issue_key", *arguments)
    assert User.objects.count() == 1
    assert not ApiKey.objects.exists()


def test_the_log_names_the_command_and_not_the_secret():
    out, _ = run("issue_key", "--user", "dev@example.com")
    entries = list(LogEntry.objects.values())
    assert {entry["additional_data"]["by"].split(" (")[0] for entry in entries} == {"tollgate issue_key"}
    assert out.strip() not in str(entries)


def test_the_demo_is_made_once_with_its_routes_and_prices():
    run("seed_demo")
    run("seed_demo")
    assert Provider.objects.get().adapter == "demo"
    table = routes.load()
    assert {route.model: route.operations for route in table.listed()} == {
        "demo": ("chat.completions", "completions", "embeddings", "moderations", "rerank", *sorted(MEDIA)),
        "demo-embedding": ("embeddings",),
    }
    assert table.default_for("chat.completions").model == "demo"
    prices = set(Price.objects.values_list("provider", "upstream_model", "component", "amount"))
    assert prices == {
        ("demo", model, name, usd)
        for model, sold in (("demo", SOLD), ("demo-embedding", TOKENS))
        for name, usd in sold.items()
    }


def test_the_demo_leaves_what_an_admin_changed():
    run("seed_demo")
    ModelRoute.objects.filter(model="demo").update(retries=0, default=False)
    run("seed_demo")
    assert ModelRoute.objects.filter(model="demo", retries=0, default=False).exists()


def test_the_demo_takes_no_other_routes_place_as_the_default():
    ModelRoute.objects.create(model="gpt-4o", default=True)
    run("seed_demo")
    assert list(ModelRoute.objects.filter(default=True).values_list("model", flat=True)) == ["gpt-4o"]
