"""Whatever changes the configuration moves its version, however it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Thread

import pytest
from django.db import connection, transaction

from accounts.models import ApiKey, ConfigVersion, Membership, ModelGrant, Team, User
from billing.models import Budget, Grant, Limit, Markup, Price, Spend
from gateway.configuration.tables import TABLES, install_triggers
from gateway.models import AlertChannel, Setting
from providers.models import ModelRoute, Provider, Target

SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


def version() -> int:
    return next(iter(ConfigVersion.objects.values_list("version", flat=True)), 0)


def version_seen_by_others() -> int:
    """Return the version that a connection of another thread sees."""
    seen: list[int] = []

    def look() -> None:
        seen.append(version())
        connection.close()

    other = Thread(target=look)
    other.start()
    other.join()
    return seen[0]


@contextmanager
def moving(what: str) -> Iterator[None]:
    before = version()
    yield
    assert version() > before, what


def test_saving_updating_inserting_in_bulk_raw_sql_and_deleting_move_it():
    with moving("save"):
        Team.objects.create(name="a")
    with moving("update"):
        Team.objects.update(name="b")
    with moving("bulk_create"):
        Team.objects.bulk_create([Team(name="c"), Team(name="d")])
    with moving("bulk_create over what is there"):
        names = [Team(name="c", is_active=False)]
        Team.objects.bulk_create(names, update_conflicts=True, unique_fields=["name"], update_fields=["is_active"])
    with moving("raw SQL"), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_team SET name = 'e' WHERE name = 'b'")
    with moving("delete"):
        Team.objects.all().delete()


MAKE: dict[type, Callable[[], object]] = {
    User: lambda: User.objects.create(email="a@example.com"),
    Team: lambda: Team.objects.create(name="a"),
    Membership: lambda: Membership.objects.create(user=MAKE[User](), team=MAKE[Team]()),
    ApiKey: lambda: ApiKey.objects.create(public_id="p", digest="d", team=MAKE[Team]()),
    Provider: lambda: Provider.objects.create(name="a"),
    ModelRoute: lambda: ModelRoute.objects.create(model="a"),
    Target: lambda: Target.objects.create(provider=MAKE[Provider](), route=MAKE[ModelRoute]()),
    Price: lambda: Price.objects.create(
        provider="a", upstream_model="b", component="input", amount=1, valid_from=SOME_TIME
    ),
    Setting: lambda: Setting.objects.create(name="a", value=1),
    Markup: lambda: Markup.objects.create(millionths=1, valid_from=SOME_TIME),
    Budget: lambda: Budget.objects.create(amount=1),
    Limit: lambda: Limit.objects.create(rpm=1),
    Grant: lambda: Grant.objects.create(budget=MAKE[Budget](), amount=1, starts_at=SOME_TIME, ends_at=SOME_TIME),
    ModelGrant: lambda: ModelGrant.objects.create(user=MAKE[User](), model="a", starts_at=SOME_TIME, ends_at=SOME_TIME),
    AlertChannel: lambda: AlertChannel.objects.create(kind="email", address="a@example.com"),
}
# rows that are never edited or deleted
APPENDED = {Grant}


@pytest.mark.parametrize("model", [table.model for table in TABLES], ids=lambda model: model.__name__)
def test_every_table_of_the_configuration_moves_it(model):
    with moving("insert"):
        row = MAKE[model]()
    if model in APPENDED:
        return
    with moving("update"):
        row.save()
    with moving("delete"):
        row.delete()


def test_a_sign_in_and_the_ledger_do_not_move_it():
    user, before = MAKE[User](), version()
    user.last_login = datetime(2026, 1, 1, tzinfo=UTC)
    user.save(update_fields=["last_login"])
    Spend.objects.create(bucket=user.last_login, dimension="model", value="a", cost=0)
    assert version() == before


def test_others_see_it_move_only_once_the_change_is_committed():
    # a sequence would show its new number at once: who read the old rows under it would never read the new ones
    Team.objects.create(name="a")
    before = version_seen_by_others()
    with transaction.atomic():
        Team.objects.update(name="b")
        if connection.vendor == "postgresql":
            assert version_seen_by_others() == before
    assert version_seen_by_others() > before


def test_what_is_taken_back_does_not_move_it():
    Team.objects.create(name="a")
    before = version()
    with transaction.atomic():
        Team.objects.update(name="b")
        transaction.set_rollback(True)
    assert version() == before


def test_it_moves_again_where_the_row_was_lost():
    ConfigVersion.objects.all().delete()
    with moving("insert"):
        Team.objects.create(name="a")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's trigger fires once per transaction")
def test_a_transaction_of_many_rows_moves_it_once():
    Team.objects.create(name="a")
    before = version()
    Team.objects.bulk_create([Team(name=f"team {number}") for number in range(200)])
    assert version() == before + 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no TRUNCATE")
def test_emptying_a_table_moves_it():
    Setting.objects.create(name="a", value=1)
    with moving("truncate"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE gateway_setting")


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite loses triggers where a table is remade")
def test_triggers_lost_with_a_remade_table_come_back_with_the_next_migrate():
    with connection.cursor() as cursor:
        cursor.execute('DROP TRIGGER "tollgate_INSERT_accounts_team"')
    install_triggers()
    with moving("insert"):
        Team.objects.create(name="a")
