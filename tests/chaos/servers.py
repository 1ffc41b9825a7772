"""A PostgreSQL and a Redis of one's own: in a scratch folder, on a free port, there to be crashed."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from tests.chaos.programs import Program, as_user
from tests.live import free_port

START_SECONDS = 60
DEBIAN = Path("/usr/lib/postgresql")


def missing() -> str:
    """Say what this machine lacks to run these servers; empty where that is nothing."""
    if _binaries() is None:
        return "no initdb and postgres on this machine"
    if shutil.which("redis-server") is None:
        return "no redis-server on this machine"
    return ""


def _binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL here: Debian keeps them off the path."""
    debian = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].partition(".")[0]))
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgreSQL:
    """One cluster. What it has promised is on the disk when its processes die: ``fsync`` and all are as usual."""

    def __init__(self, logs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tollgate-postgresql-"))
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._binaries = _binaries()
        user = _unprivileged()
        if user is not None:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        subprocess.run(
            [self._binaries / "initdb", "-D", self.folder, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-locale", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user(user),
        )  # fmt: skip
        command = [
            str(self._binaries / "postgres"), "-D", str(self.folder), "-p", str(self.port), "-h", "127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal",
        ]  # fmt: skip
        self.program = Program("postgresql", command, logs, user=user)

    def start(self) -> None:
        """Return when it answers. One killed a moment ago may still have children: it is tried again."""
        until = time.monotonic() + START_SECONDS
        while True:
            self.program.start()
            while self.program.is_running:
                if self._answers():
                    return
                time.sleep(0.05)
            if time.monotonic() > until:
                raise AssertionError(f"PostgreSQL does not start:\n{self.program.tail()}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def crash(self) -> None:
        """End it as an immediate shutdown does: it begins with recovery when it is started again."""
        self.program.send(signal.SIGQUIT)
        self.program.wait(10)

    def kill(self) -> None:
        """``kill -9`` of the first process; its children notice and end by themselves."""
        family = self.program.family()
        self.program.send(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)
        self.program.kill()

    def kill_connection(self, chance: random.Random) -> None:
        """``kill -9`` of one connection's process; PostgreSQL then ends all of them and recovers by itself."""
        serving = [process for process in self.program.family()[1:] if "127.0.0.1" in " ".join(process.cmdline())]
        if serving:
            chance.choice(serving).kill()

    def destroy(self) -> None:
        if self.program.is_running:
            self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """One server that keeps nothing on a disk: a restart has forgotten every hint, bucket and slot."""

    def __init__(self, logs: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.program = Program("redis", command, logs)

    def start(self) -> None:
        self.program.start()
        self.program.wait_until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.program.kill()

    def destroy(self) -> None:
        self.program.kill()


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom PostgreSQL runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
