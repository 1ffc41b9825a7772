"""`tollgate serve`: from an empty folder to a running gateway."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from gateway import checks, servers, startup
from gateway.management.base import GatewayCommand
from gateway.sandbox import readiness


class Command(GatewayCommand):
    requires_system_checks = [checks.TAG]
    help = (
        "Bring the database up to date, make the first admin and key, and serve until SIGTERM. "
        "With REDIS_URL set, run `celery -A gateway worker --pool threads` and `celery -A gateway beat` beside it; "
        "without, the worker runs inside."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port to listen on (PORT)")
        parser.add_argument(
            "--workers", type=int, default=1, help="web processes; more than one wants PostgreSQL and Redis"
        )
        parser.add_argument("--server", choices=sorted(servers.SERVERS), default="granian", help="the ASGI server")

    def handle(self, *args: Any, host: str, port: int, workers: int, server: str, **options: Any) -> None:
        # elsewhere it is the workers that execute code, and they look themselves
        if not settings.REDIS_URL and (told := readiness.problem()):
            raise CommandError(told)
        base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        for line in startup.prepare(base):
            self._say(line)
        seeding = startup.begin_seeding()
        startup.disconnect()

        def ready() -> None:
            if seeding is not None and seeding.wait():
                self.stderr.write("prices could not be seeded; `tollgate seed_prices` tries again")
            self._say(f"Ready: {base}/v1")

        servers.when_answering(f"{base}/readyz", ready)
        servers.SERVERS[server](host, port, workers)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
