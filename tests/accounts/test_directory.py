"""Who a secret belongs to: found without a query, refused for a reason, current within one refresh."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections

from accounts import directory as module
from accounts import issuing, keys
from accounts.directory import Directory
from accounts.errors import (
    DirectoryUnavailable,
    ExpiredKey,
    KeyRefused,
    MalformedKey,
    MissingKey,
    RevokedKey,
    UnknownKey,
)
from accounts.issuing import NewKey
from accounts.models import ApiKey, Membership, ModelGrant, Team, User

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
AWAY = {"sqlite": {"NAME": "/nowhere/at/all.sqlite3"}, "postgresql": {"PORT": "9", "OPTIONS": {}}}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(clock: Clock) -> Iterator[Directory]:
    directory = Directory(clock)
    yield directory
    directory.close()


@pytest.fixture
def user() -> User:
    return User.objects.create_user("dev@example.com")


@pytest.fixture
def new(user: User) -> NewKey:
    return issuing.issue(user=user, name="laptop", models=["gpt-*"], addresses=["10.0.0.0/8"])


def change(verb: Callable[..., object], *args: object, **kwargs: object) -> Awaitable[object]:
    """Do something in another thread, which keeps no connection."""

    def run() -> object:
        try:
            return verb(*args, **kwargs)
        finally:
            connection.close()

    return sync_to_async(run)()


@contextmanager
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the queries of every connection opened meanwhile, and of this thread's."""
    made: list[int] = []
    real = module.registry.read

    def counted(digests: list[str]) -> object:
        made.append(len(digests))
        return real(digests)

    with monkeypatch.context() as patch:
        patch.setattr(module.registry, "read", counted)
        yield made


@contextmanager
def database_away() -> Iterator[None]:
    """Nothing answers where the database was; connections that are open stay so."""
    away = {"sqlite": {"NAME": "/nowhere/at/all.sqlite3"}, "postgresql": {"PORT": "9", "OPTIONS": {}}}[
        connection.vendor
    ]
    settings = connections.settings["default"]
    there = {name: settings[name] for name in away}
    settings.update(away)
    try:
        yield
    finally:
        settings.update(there)


async def test_a_key_is_found_with_its_owner_and_rights(directory, new, user):
    caller = await directory.find(new.secret)
    assert (caller.key_id, caller.key_name, caller.public_id) == (new.key.pk, "laptop", new.key.public_id)
    assert (caller.user_id, caller.user_email, caller.role, caller.team_id) == (user.pk, user.email, "member", None)
    assert caller.may_use("gpt-4o", NOW)
    assert not caller.may_use("claude", NOW)
    assert caller.may_come_from("10.1.2.3")


async def test_a_known_key_costs_no_query(directory, new, monkeypatch):
    await directory.find(new.secret)
    with reads(monkeypatch) as made:
        for _ in range(100):
            await directory.find(new.secret)
    assert made == []


async def test_a_key_of_another_shape_is_found_by_its_digest(directory, user):
    imported = "sk-1234"
    await change(ApiKey.objects.create, public_id="sk-12", digest=keys.digest_of(imported), user=user)
    assert (await directory.find(imported)).public_id == "sk-12"


async def test_a_team_alone_and_its_models_are_the_keys_too(directory):
    team = await change(Team.objects.create, name="data", models_allowed=["gpt-*"])
    new = await change(issuing.issue, team=team, models=["*-mini"])
    caller = await directory.find(new.secret)
    assert (caller.team_id, caller.team_name, caller.user_id) == (team.pk, "data", None)
    assert [model for model in ("gpt-4o", "gpt-4o-mini", "x-mini") if caller.may_use(model, NOW)] == ["gpt-4o-mini"]


async def test_no_key_and_a_typo_are_told_without_a_query(directory, new, monkeypatch):
    with reads(monkeypatch) as made:
        with pytest.raises(MissingKey):
            await directory.find("")
        with pytest.raises(MalformedKey):
            await directory.find(new.secret[:-1] + ("a" if new.secret[-1] != "a" else "b"))
    assert made == []


async def test_an_unknown_key_is_looked_up_once(directory, monkeypatch):
    unknown = keys.issue().secret
    with reads(monkeypatch) as made:
        for _ in range(3):
            with pytest.raises(UnknownKey):
                await directory.find(unknown)
    assert made == [1]


async def test_a_key_asked_for_before_it_was_issued_works_as_soon_as_the_version_moved(directory, user):
    secret = "sk-imported"
    with pytest.raises(UnknownKey):
        await directory.find(secret)
    await change(ApiKey.objects.create, public_id="sk-i", digest=keys.digest_of(secret), user=user)
    await change(directory.refresh)
    assert await directory.find(secret)


async def test_a_key_expires_by_the_clock_alone(directory, clock, user):
    new = await change(issuing.issue, user=user, expires_at=NOW + timedelta(minutes=1))
    await directory.find(new.secret)
    clock.now = NOW + timedelta(minutes=1)
    with pytest.raises(ExpiredKey):
        await directory.find(new.secret)


REFUSALS: dict[str, Callable[[ApiKey, Team], object]] = {
    "the key was revoked": lambda key, team: issuing.revoke(key),
    "the key was revoked in SQL": lambda key, team: ApiKey.objects.update(revoked_at=NOW),
    "the user is inactive": lambda key, team: User.objects.update(is_active=False),
    "the team is inactive": lambda key, team: Team.objects.update(is_active=False),
    "the user left the team": lambda key, team: Membership.objects.all().delete(),
    "the row cannot be read": lambda key, team: ApiKey.objects.update(addresses=["rubbish"]),
}


@pytest.mark.parametrize("why", REFUSALS)
async def test_a_key_is_refused_after_the_next_refresh_and_at_once_where_it_is_new(why, directory, clock, user):
    team = await change(Team.objects.create, name="data")
    await change(Membership.objects.create, user=user, team=team)
    new = await change(issuing.issue, user=user, team=team)
    await directory.find(new.secret)
    await change(REFUSALS[why], new.key, team)
    await change(directory.refresh)
    with pytest.raises(RevokedKey):
        await directory.find(new.secret)
    another = Directory(clock)
    with pytest.raises(RevokedKey):
        await another.find(new.secret)
    another.close()


async def test_one_unreadable_row_does_not_keep_the_others_from_being_read(directory, user, new):
    bad = await change(issuing.issue, user=user, name="bad")
    await directory.find(bad.secret)
    await directory.find(new.secret)
    await change(ApiKey.objects.filter(name="bad").update, addresses=["rubbish"])
    await change(issuing.revoke, new.key)
    await change(directory.refresh)
    for key in (bad, new):
        with pytest.raises(RevokedKey):
            await directory.find(key.secret)


async def test_a_deleted_key_is_unknown_after_the_next_refresh(directory, new):
    await directory.find(new.secret)
    await change(new.key.delete)
    await change(directory.refresh)
    with pytest.raises(UnknownKey):
        await directory.find(new.secret)


async def test_changed_rights_hold_after_the_next_refresh_and_refusals_end_too(directory, new):
    await directory.find(new.secret)
    await change(ApiKey.objects.update, models_allowed=["claude"], revoked_at=NOW)
    await change(directory.refresh)
    with pytest.raises(RevokedKey):
        await directory.find(new.secret)
    await change(ApiKey.objects.update, revoked_at=None)
    await change(directory.refresh)
    assert (await directory.find(new.secret)).may_use("claude", NOW)


async def test_a_granted_model_is_known_after_the_next_refresh_and_ends_by_itself(directory, new, user):
    await directory.find(new.secret)
    later = datetime.now(UTC) + timedelta(days=1)
    grant = await change(ModelGrant.objects.create, user=user, model="claude", starts_at=NOW, ends_at=later)
    await change(ModelGrant.objects.create, user=user, model="gone", starts_at=NOW, ends_at=NOW + timedelta(days=1))
    await change(directory.refresh)
    caller = await directory.find(new.secret)
    assert [granted.model for granted in caller.granted] == ["claude"]
    assert (caller.may_use("claude", NOW), caller.may_use("claude", later)) == (True, False)
    await change(grant.delete)
    await change(directory.refresh)
    assert not (await directory.find(new.secret)).may_use("claude", NOW)


async def test_a_model_that_a_team_granted_is_not_for_keys_of_other_teams(directory, user):
    data, sales = [await change(Team.objects.create, name=name) for name in ("data", "sales")]
    for team in (data, sales):
        await change(Membership.objects.create, user=user, team=team)
    later = datetime.now(UTC) + timedelta(days=1)
    await change(ModelGrant.objects.create, user=user, team=data, model="claude", starts_at=NOW, ends_at=later)
    keys = [await change(issuing.issue, user=user, team=team, models=["gpt-*"]) for team in (data, None, sales)]
    assert [(await directory.find(key.secret)).may_use("claude", NOW) for key in keys] == [True, True, False]


async def test_more_keys_than_one_batch_are_read_again(directory, user, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    secrets = [f"sk-{number}" for number in range(8)]
    rows = [ApiKey(public_id=secret, digest=keys.digest_of(secret), user=user) for secret in secrets]
    await change(ApiKey.objects.bulk_create, rows)
    assert len(await asyncio.gather(*map(directory.find, secrets))) == 8
    await change(ApiKey.objects.update, revoked_at=NOW)
    await change(directory.refresh)
    for secret in secrets:
        with pytest.raises(RevokedKey):
            await directory.find(secret)


async def test_calls_with_the_same_new_key_share_one_look_up(directory, new, monkeypatch):
    with reads(monkeypatch) as made:
        found = await asyncio.gather(*(directory.find(new.secret) for _ in range(50)))
    assert {caller.key_id for caller in found} == {new.key.pk}
    assert len(made) <= 2  # the first answer may be there before the last caller has asked


async def test_a_client_that_leaves_takes_no_other_clients_look_up_with_it(directory, new):
    leaving, staying = (asyncio.ensure_future(directory.find(new.secret)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).key_id == new.key.pk
    assert leaving.cancelled()


async def test_a_look_up_overtaken_by_a_change_reads_again(directory, new, monkeypatch):
    """The look-up has read, then the key is revoked and every process told, then the look-up keeps what it read."""
    real, made = module.registry.read, []

    def overtaken(digests: list[str]) -> object:
        rows = real(digests)
        made.append(digests)
        if len(made) == 1:
            issuing.revoke(new.key)
            directory.refresh()
        return rows

    monkeypatch.setattr(module.registry, "read", overtaken)
    with pytest.raises(RevokedKey):
        await directory.find(new.secret)
    assert len(made) == 2


async def test_a_flood_of_made_up_keys_fills_no_memory(directory, new, monkeypatch):
    monkeypatch.setattr(module, "MOST_REFUSED", 50)
    with reads(monkeypatch) as made:
        flood = await asyncio.gather(*(directory.find(f"sk-{n}") for n in range(2000)), return_exceptions=True)
    assert {type(refusal) for refusal in flood} == {UnknownKey}
    assert len(made) < 200  # many per query
    assert len(directory._refused) <= 50
    assert not directory._waiting
    assert not directory._callers
    assert await directory.find(new.secret)


async def test_more_than_may_wait_are_turned_away_and_not_remembered(directory, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    flood = await asyncio.gather(*(directory.find(f"sk-{n}") for n in range(100)), return_exceptions=True)
    assert {type(refusal) for refusal in flood} == {UnknownKey, DirectoryUnavailable}


async def test_without_the_database_known_keys_go_on_for_15_minutes_and_unknown_ones_cannot_be_judged(
    directory, clock, new
):
    await directory.find(new.secret)
    directory.seen(NOW)
    directory._executor.submit(connections.close_all).result()
    with database_away():
        with pytest.raises(DirectoryUnavailable):
            await directory.find("sk-unknown")
        clock.now = NOW + timedelta(minutes=15)
        assert await directory.find(new.secret)
        clock.now += timedelta(seconds=1)
        with pytest.raises(DirectoryUnavailable):
            await directory.find(new.secret)
    directory.seen(clock.now)
    assert await directory.find(new.secret)


async def test_a_refresh_that_failed_is_made_up_for_before_the_database_counts_as_seen(directory, new, monkeypatch):
    await directory.find(new.secret)
    await change(issuing.revoke, new.key)
    with monkeypatch.context() as patch:
        patch.setattr(module.registry, "read", lambda digests: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await change(directory.refresh)
    await change(directory.seen, NOW)
    with pytest.raises(RevokedKey):
        await directory.find(new.secret)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no server to lose a connection to")
async def test_a_dead_connection_is_renewed(directory, new, user):
    await directory.find(new.secret)
    another = await change(issuing.issue, user=user)
    await change(_cut_off, directory._executor.submit(_own_process).result())
    assert await directory.find(another.secret)


def _own_process() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def _cut_off(process: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 1000)", [process])


async def test_no_clear_secret_is_kept_and_no_refusal_names_the_key(directory, new):
    await directory.find(new.secret)
    kept = repr(vars(directory))
    assert new.secret not in kept
    unknown = keys.issue().secret
    with pytest.raises(KeyRefused) as refusal:
        await directory.find(unknown)
    assert unknown not in str(refusal.value)
