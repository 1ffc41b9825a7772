"""A gateway as it looks after some busy weeks: people, keys, routes and forty days of calls, the same each time.

``TOLLGATE_DATA=… python -m bench.scene`` fills the database that the environment names.
"""

from __future__ import annotations

import os
import random
from datetime import datetime, timedelta
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

from accounts import issuing, roles  # noqa: E402 the apps must be ready first
from accounts.audit import audited  # noqa: E402
from accounts.models import ApiKey, Membership, Team, User  # noqa: E402
from bench import amounts, notices, talks  # noqa: E402
from billing import bulk, clock, ids, lines, posting, prices  # noqa: E402
from billing.models import Markup, Price  # noqa: E402
from billing.pricing import Usage, cost_of  # noqa: E402
from providers.models import ModelRoute, Provider, Target  # noqa: E402
from providers.secrets import encrypt  # noqa: E402

DAYS = 40
CALLS_A_DAY = 260
PASSWORD = "a long password for pictures"
ADMIN, VIEWER = "ada@example.com", "vera@example.com"
PEOPLE = [
    (ADMIN, "Ada Lovelace", roles.ADMIN, ["data", "search"]),
    (VIEWER, "Vera Rubin", roles.VIEWER, ["data"]),
    ("grace@example.com", "Grace Hopper", roles.MEMBER, ["search"]),
    ("alan@example.com", "Alan Turing", roles.MEMBER, ["search", "support"]),
    ("katherine@example.com", "Katherine Johnson", roles.MEMBER, ["data"]),
    ("donald@example.com", "Donald Knuth", roles.MEMBER, ["docs"]),
    ("barbara@example.com", "Barbara Liskov", roles.MEMBER, ["support"]),
    ("a.very.long.address.that.somebody.really.has@subsidiary.example.com", "", roles.MEMBER, []),
]
TEAMS = {"data": ["gpt-*", "claude-*"], "search": [], "support": ["gpt-4o-mini"], "docs": []}
PROVIDERS = [
    ("openai", "openai", "https://api.openai.com/v1"),
    ("anthropic", "openai", "https://api.anthropic.com/v1"),
    ("groq", "openai", "https://api.groq.com/openai/v1"),
    ("inhouse", "openai", "https://models.example.com/v1"),
]
# model, its targets, how often it is called, prompt and answer in tokens
MODELS = [
    ("gpt-4o", [("openai", "gpt-4o")], 30, 2400, 420),
    ("gpt-4o-mini", [("openai", "gpt-4o-mini")], 34, 1200, 300),
    ("claude-sonnet-4-5", [("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o")], 18, 5200, 800),
    ("gpt-5", [("openai", "gpt-5")], 9, 3100, 1500),
    ("llama-3.3-70b", [("groq", "llama-3.3-70b-versatile")], 12, 900, 250),
    ("text-embedding-3-small", [("openai", "text-embedding-3-small")], 20, 600, 0),
    ("house-model-with-a-name-that-is-quite-long-2026-11-preview", [("inhouse", "hm-1")], 3, 800, 200),
]
REASONING = {"gpt-5"}


def fill() -> None:
    chance = random.Random(20261121)
    with audited("bench.scene"):
        users, teams = _people()
        keys = _keys(users, teams)
        _routes()
        _margins(teams)
    _calls(chance, keys)
    _late_price()
    notices.fill(teams["data"])
    amounts.fill(users, teams, keys)
    talks.fill(random.Random(20261122), keys)


def _people() -> tuple[dict[str, User], dict[str, Team]]:
    teams = {name: Team.objects.create(name=name, models_allowed=models) for name, models in TEAMS.items()}
    users = {}
    for email, name, role, of in PEOPLE:
        users[email] = User.objects.create_user(email, PASSWORD, name=name, role=role)
        for position, team in enumerate(of):
            member = roles.MANAGER if position == 0 and role == roles.ADMIN else roles.MEMBER
            Membership.objects.create(user=users[email], team=teams[team], role=member)
    return users, teams


def _keys(users: dict[str, User], teams: dict[str, Team]) -> list[ApiKey]:
    now = clock.now()
    keys = []
    for email, _, _, of in PEOPLE:
        team = teams[of[0]] if of else None
        keys.append(issuing.issue(user=users[email], team=team, name="laptop", expires_at=now + timedelta(days=90)).key)
    nightly = issuing.issue(team=teams["docs"], name="nightly summaries", models=["gpt-4o-mini", "text-*"]).key
    search = issuing.issue(
        team=teams["search"], name="search service", addresses=["10.0.0.0/8"], expires_at=now + timedelta(days=6)
    ).key
    keys += [nightly, search, search]
    issuing.rotate(keys[3], timedelta(days=2))
    issuing.revoke(issuing.issue(user=users[ADMIN], name="lost in a taxi").key)
    return keys


def _routes() -> None:
    providers = {
        name: Provider.objects.create(name=name, adapter=adapter, base_url=url, secret=encrypt(f"made-up-{name}"))
        for name, adapter, url in PROVIDERS
    }
    for model, targets, *_ in MODELS:
        route = ModelRoute.objects.create(model=model, aliases=["gpt-4o-latest"] if model == "gpt-4o" else [])
        for position, (provider, upstream_model) in enumerate(targets):
            Target.objects.create(
                route=route, provider=providers[provider], upstream_model=upstream_model, priority=position
            )


def _margins(teams: dict[str, Team]) -> None:
    now = clock.now()
    for team, model, millionths, days in (
        (None, "", 1_050_000, 40),
        (teams["search"], "", 975_000, 20),
        (teams["search"], "gpt-*", 1_100_000, 10),
        (teams["docs"], "", 1_200_000, -5),
        (None, "", 1_030_000, 90),
    ):
        Markup.objects.create(team=team, model=model, millionths=millionths, valid_from=now - timedelta(days=days))


def _late_price() -> None:
    """A price that was corrected after calls were made at the old one."""
    Price.objects.create(
        provider="openai",
        upstream_model="gpt-4o",
        component="output",
        amount=Decimal(8),
        valid_from=clock.now() - timedelta(days=3),
    )


def _calls(chance: random.Random, keys: list[ApiKey]) -> None:
    now = clock.now()
    book = prices.load({"openai", "anthropic", "groq", "inhouse"})
    settled = [_call(chance, moment, chance.choice(keys), book) for moment in _moments(chance, now)]
    for start in range(0, len(settled), 500):
        bulk.insert_records(settled[start : start + 500])
    bulk.add_spend(posting.spend_of(settled))


def _moments(chance: random.Random, now: datetime) -> list[datetime]:
    """Return when calls came: by day, more in office hours, fewer at weekends, and more from week to week."""
    moments = []
    for day in range(DAYS):
        midnight = (now - timedelta(days=DAYS - 1 - day)).replace(hour=0, minute=0, second=0, microsecond=0)
        busy = (0.25 if midnight.weekday() > 4 else 1) * (0.6 + day / DAYS)
        for _ in range(round(CALLS_A_DAY * busy)):
            hour = min(23.99, max(0, chance.gauss(13, 4)))
            moments.append(midnight + timedelta(hours=hour, seconds=chance.random()))
    return sorted(moment for moment in moments if moment < now)


def _call(chance: random.Random, moment: datetime, key: ApiKey, book: prices.PriceBook) -> lines.Settled:
    model, targets, _, prompt, answer = chance.choices(MODELS, [each[2] for each in MODELS])[0]
    place = 1 if len(targets) > 1 and chance.random() < 0.08 else 0
    provider, upstream_model = targets[place]
    status = chance.choices(
        ["completed", "client_gone", "upstream_error", "timeout", "interrupted"],
        [97, 1.2, 6 if provider == "groq" else 0.7, 0.4, 0.1],
    )[0]
    usage = _usage(chance, model, prompt, answer, status)
    rows = book.rows(provider, upstream_model, moment)
    latency = round(180 + 9 * usage.completion_tokens * chance.uniform(0.5, 1.6))
    at = ids.microseconds(moment)
    return lines.Settled(
        id=ids.new(at),
        request_id=f"req_{chance.getrandbits(96):024x}",
        operation="embeddings" if model.startswith("text") else "chat.completions",
        model=model,
        provider=provider,
        upstream_model=upstream_model,
        user=key.user_id,
        team=key.team_id,
        api_key=key.pk,
        tags=(chance.choice(["chat", "batch", "eval"]),) if chance.random() < 0.4 else (),
        price_rows=rows,
        finished_at=at + latency * 1000,
        status=status,
        cost=cost_of(usage, rows or ()).atoms,
        estimated=status in {"client_gone", "interrupted"},
        usage_mismatch=chance.random() < 0.001,
        attempts=1 + place,
        attempt_log=_attempts(targets) if place else [],
        http_status=200 if status == "completed" else 502,
        latency_ms=latency,
        first_token_ms=round(latency * chance.uniform(0.1, 0.4)) if answer and status != "upstream_error" else None,
        **lines.usage_columns(usage),
    )


def _usage(chance: random.Random, model: str, prompt: int, answer: int, status: str) -> Usage:
    if status == "upstream_error":
        return Usage(request=0)
    size = chance.lognormvariate(0, 0.6)
    read, written = round(prompt * size), round(answer * chance.lognormvariate(0, 0.5))
    cached = round(read * chance.choice([0, 0, 0.5, 0.8]))
    thought = round(written * 0.6) if model in REASONING else 0
    return Usage(input=read - cached, cached_input=cached, output=written - thought, reasoning=thought)


def _attempts(targets: list[tuple[str, str]]) -> list[dict[str, object]]:
    (first, first_model), (second, second_model) = targets
    return [
        {"provider": first, "model": first_model, "outcome": "upstream_error", "status": 529},
        {"provider": second, "model": second_model, "outcome": "answered", "status": 200},
    ]


if __name__ == "__main__":
    fill()
