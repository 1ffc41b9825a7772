"""What tests share: a live gateway under each server, and an upstream that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.test import override_settings
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from tests.guarded import emptied_between_tests, months_as_they_were  # noqa: F401 for every test
from tests.live import SERVERS, Gateway, drop_template
from tests.shapes import is_said_already, is_tried_elsewhere, turn
from tests.upstream import Upstream

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")

ROUTES = """
providers:
  - {{name: fake, adapter: openai, base_url: "{url}", secret: upstream-secret,
      options: {{allow_private: true, cooldown: {{enabled: false}},
        timeouts: {{connect: 2, first_byte: 2, chunk: 2, total: 10}}}}}}
  - {{name: nowhere, adapter: openai, base_url: "http://127.0.0.1:9/v1",
      options: {{allow_private: true, cooldown: {{enabled: false}}}}}}
routes:
  - {{model: fake, retries: 0, targets: [{{provider: fake, upstream_model: upstream-1}}]}}
  - {{model: fallback, retries: 0, targets: [
      {{provider: nowhere, upstream_model: upstream-1, priority: 0}},
      {{provider: fake, upstream_model: upstream-1, priority: 1}}]}}
  - {{model: refused, retries: 0, targets: [{{provider: nowhere, upstream_model: upstream-1}}]}}
  - {{model: "any/*", retries: 0, unpriced: allow, targets: [{{provider: fake}}]}}
  - {{model: unpriced, retries: 0, targets: [{{provider: fake, upstream_model: no-price}}]}}
prices:
  - {{provider: fake, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, cached_input: 1.25, output: 10.00}}
  - {{provider: nowhere, upstream_model: upstream-1, from: 2026-01-01, input: 2.50, output: 10.00}}
"""


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Threads that end with their test never give their connection back: the pool would count it for ever."""
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["pool"]["max_size"] = 60


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Leave nobody in the test database: PostgreSQL drops none that a thread of a finished test still has open.

    Those threads may hold the whole pool, so this connection is none of the pool's.
    """
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            parameters = connection.get_connection_params()
            connection.close()
        names = ("dbname", "user", "password", "host", "port")
        given = {name: parameters[name] for name in names if name in parameters}
        with psycopg.connect(**given, autocommit=True) as outside:
            outside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session", autouse=True)
def passwords_hashed_quickly() -> Iterator[None]:
    """Many tests make people of their own; a hash as good as production's would be most of what they do."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what the other shape tries; a file that is named by itself is run all the same."""
    return True if is_tried_elsewhere(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would be tried twice; begin with what takes long."""
    left_out = [item for item in items if is_said_already(item.path, item.name)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not is_said_already(item.path, item.name)]
    items.sort(key=lambda item: turn(item.path))


def pytest_sessionfinish() -> None:
    drop_template()


@pytest.fixture(scope="session")
def fake_upstream() -> Iterator[Upstream]:
    upstream = Upstream().start()
    yield upstream
    upstream.stop()


@pytest.fixture
def upstream(fake_upstream: Upstream) -> Upstream:
    fake_upstream.reset()
    return fake_upstream


@pytest.fixture(scope="session")
def gateways(fake_upstream: Upstream) -> Iterator[Callable[[str], Gateway]]:
    """Start a gateway of each server once in a run, however often tests go from one server to the other."""
    running: dict[str, Gateway] = {}

    def started(server: str) -> Gateway:
        if server not in running:
            running[server] = Gateway(server)
            running[server].start()
            running[server].apply(ROUTES.format(url=fake_upstream.url))
        return running[server]

    try:
        yield started
    finally:
        for each in running.values():
            each.destroy()


@pytest.fixture(scope="session", params=SERVERS)
def gateway(request: pytest.FixtureRequest, gateways: Callable[[str], Gateway]) -> Gateway:
    """A running gateway with the demo and with routes to the fake upstream."""
    return gateways(request.param)
