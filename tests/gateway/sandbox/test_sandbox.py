"""Code in the sandbox: what it can do, and what it tries in vain."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway import sandbox
from gateway.sandbox import File
from tests.gateway.sandbox.left import running, stays, wait_until

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.usefixtures("sandbox_way")


async def test_prints_and_shows_the_value_of_its_last_expression() -> None:
    outcome = await sandbox.execute("x = 20\nprint('computed')\nx * 2 + 2")
    assert outcome == ("computed\n42", (), "completed")


async def test_an_exception_is_told_with_the_lines_it_came_from() -> None:
    outcome = await sandbox.execute("def divide(a):\n    return a / 0\n\ndivide(1)")
    assert outcome.ended == "failed"
    assert "line 2, in divide" in outcome.logs
    assert "return a / 0" in outcome.logs
    assert outcome.logs.endswith("ZeroDivisionError: division by zero")
    assert "runner.py" not in outcome.logs


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def f(:", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(3)", "[Ended with exit code 3.]"),
        ("import os; os.abort()", "[Ended by signal 6.]"),
        ("print('\\ud800')", "UnicodeEncodeError"),
        ("x = '\0'", "null bytes"),
    ],
)
async def test_what_ends_badly_says_how(code: str, told: str) -> None:
    outcome = await sandbox.execute(code)
    assert outcome.ended == "failed"
    assert told in outcome.logs


async def test_reads_files_it_is_given_and_gives_those_it_makes() -> None:
    code = """
rows = open("tables/a.csv").read().split(",")
open("sum.txt", "w").write(str(sum(map(int, rows))))
open("changed.txt", "a").write(" and more")
import os; os.makedirs("plots"); open("plots/p.png", "wb").write(b"\\x89PNG")
"""
    given = [File("tables/a.csv", b"1,2,39"), File("changed.txt", b"old"), File("same.txt", b"same")]
    outcome = await sandbox.execute(code, given)
    assert outcome.ended == "completed", outcome.logs
    assert set(outcome.files) == {("sum.txt", b"42"), ("changed.txt", b"old and more"), ("plots/p.png", b"\x89PNG")}


async def test_modules_among_its_files_can_be_imported_and_files_copied() -> None:
    code = "import shutil, helper; shutil.copy('helper.py', 'copy.py'); helper.ANSWER"
    outcome = await sandbox.execute(code, [File("helper.py", b"ANSWER = 42")])
    assert outcome == ("42", (File("copy.py", b"ANSWER = 42"),), "completed")


async def test_a_name_is_the_same_in_the_folder_whatever_its_length() -> None:
    names = ["x" * 120 + "1.csv", "x" * 120 + "2.csv", "é" * 120 + ".csv", "back\\slash.txt", "/".join("abcdefgh")]
    code = f"for name in {names!r}: open(name, 'a').write('!')"
    outcome = await sandbox.execute(code, [File(name, b"given") for name in names])
    assert set(outcome.files) == {(name, b"given!") for name in names}, outcome.logs


async def test_its_folder_is_called_as_models_know_it() -> None:
    outcome = await sandbox.execute(
        "open('/mnt/data/b.txt', 'w').write(open('/mnt/data/a.txt').read())", [File("a.txt", b"a")]
    )
    assert outcome.files == (File("b.txt", b"a"),)


async def test_a_python_of_its_own_brings_its_packages(sandbox_way: str, settings: Any, tmp_path: Path) -> None:
    if sandbox_way != "namespaces":
        pytest.skip("another user may not read the Python that this one is made of")
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "venv", "--without-pip", tmp_path / "its"], check=True
    )
    (packages,) = (tmp_path / "its").glob("lib/python*/site-packages")
    (packages / "analysis.py").write_text("ANSWER = 42")
    settings.SANDBOX_PYTHON = str(tmp_path / "its" / "bin" / "python")
    assert (await sandbox.execute("import analysis; analysis.ANSWER")).logs == "42"


async def test_each_call_begins_anew() -> None:
    await sandbox.execute("open('left.txt', 'w').write('x')")
    assert (await sandbox.execute("import os; os.listdir()")).logs == "[]"


async def test_sees_no_environment_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_SECRET_KEY", "a-secret-of-the-gateway")
    code = "import os, subprocess; print(dict(os.environ)); print(subprocess.run(['env'], capture_output=True).stdout)"
    logs = (await sandbox.execute(code)).logs
    assert "LANG" in logs
    assert "a-secret-of-the-gateway" not in logs
    assert "TOLLGATE" not in logs


async def test_reads_no_environment_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = (await sandbox.execute(f"print(open('/proc/{os.getpid()}/environ').read())")).logs
    assert "Error" in logs
    assert "PATH" not in logs


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
async def test_opens_no_socket(family: str) -> None:
    outcome = await sandbox.execute(f"import socket; socket.socket(socket.{family})")
    assert outcome.logs.endswith("PermissionError: [Errno 1] Operation not permitted")


async def test_an_event_loop_works() -> None:
    assert (await sandbox.execute("import asyncio; asyncio.run(asyncio.sleep(0, 'slept'))")).logs == "'slept'"


async def test_reads_nothing_of_the_gateway(settings: Any) -> None:
    (settings.DATA / "secret-of-a-test").write_text("a-secret-of-the-gateway")
    for path in (settings.DATA / "secret-of-a-test", ROOT / "manage.py", "/etc/shadow", "/etc/passwd"):
        outcome = await sandbox.execute(f"print(open({str(path)!r}).read())")
        assert outcome.logs.splitlines()[-1].startswith(("FileNotFoundError", "PermissionError"))
    outcome = await sandbox.execute(f"import os; os.listdir({str(settings.DATA)!r})")
    assert outcome.logs.splitlines()[-1].startswith(("FileNotFoundError", "PermissionError"))


@pytest.mark.parametrize(
    "path", ["/usr/lib/there", "/there", "../there", "../../there", "/var/tmp/there", "/dev/there"]
)
async def test_writes_nowhere_but_in_its_folder(path: str) -> None:
    outcome = await sandbox.execute(f"open({path!r}, 'w').write('x')")
    assert outcome.ended == "failed"
    assert not any("there" in os.listdir(folder or "/") for folder in ("", "/usr/lib", "/var/tmp", "/tmp", "/dev"))


async def test_links_out_of_its_folder_lead_nowhere(settings: Any) -> None:
    code = f"""
import os
os.symlink("/etc/passwd", "passwd.txt"); os.symlink({str(settings.DATA)!r}, "data"); os.symlink("/", "root")
os.mkfifo("pipe"); open(".hidden", "w").write("x"); open("kept.txt", "w").write("x")
try: os.link("/usr/bin/env", "env")
except OSError: pass
"""
    outcome = await sandbox.execute(code)
    assert outcome.ended == "completed", outcome.logs
    assert [file.name for file in outcome.files] == ["kept.txt"]


async def test_names_that_lead_out_are_put_into_the_folder() -> None:
    given = [File("../../up.txt", b"1"), File("/etc/passwd", b"2"), File("a\x00b\n.txt", b"3"), File("..", b"4")]
    code = "import os; sorted(os.path.join(root, name) for root, _, names in os.walk('.') for name in names)"
    assert (await sandbox.execute(code, given)).logs == "['./a_b_.txt', './etc/passwd', './file', './up.txt']"


async def test_forks_without_end_are_few_and_end_with_it(settings: Any, token: str) -> None:
    code = f"""
import os, sys
started = 0
try:
    while started < 200:
        if os.fork() == 0:
            os.setsid()
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{token}"])
        started += 1
except OSError as error:
    print(started < 100, error)
"""
    outcome = await sandbox.execute(code)
    assert outcome.logs == "True [Errno 11] Resource temporarily unavailable"
    assert running(token) == []


async def test_a_bomb_of_forks_is_ended(settings: Any) -> None:
    settings.SANDBOX_SECONDS = 2
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    outcome = await sandbox.execute(code)
    assert outcome.ended == "time"
    assert (await sandbox.execute("'well'")).logs == "'well'"


async def test_a_process_that_leaves_its_parent_ends_with_it(token: str) -> None:
    assert (await sandbox.execute(stays(token) + "print('left')")).logs == "left"
    assert running(token) == []


async def test_signals_no_other_process() -> None:
    code = f"""
import os
for process in (os.getppid(), {os.getpid()}, 1, -1):
    try: os.kill(process, 9)
    except OSError as error: print(type(error).__name__)
print("alive")
"""
    assert (await sandbox.execute(code)).logs.endswith("alive")


async def test_memory_is_bounded_in_one_process(settings: Any) -> None:
    settings.SANDBOX_MEMORY_BYTES = 256 * 1024**2
    assert (await sandbox.execute("x = bytearray(2**30)")).logs.endswith("MemoryError")


async def test_memory_is_bounded_in_many_processes(settings: Any) -> None:
    settings.SANDBOX_MEMORY_BYTES = 256 * 1024**2
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = b"x" * (64 * 2**20)
        time.sleep(600)
time.sleep(600)
"""
    outcome = await sandbox.execute(code)
    assert outcome.ended == "memory"
    assert outcome.logs == "[Ended: it used more than 268,435,456 bytes of memory.]"


@pytest.mark.parametrize(
    "code",
    [
        "file = open('one', 'wb')\nwhile True: file.write(b'x' * 2**20)",
        "n = 0\nwhile True:\n    n += 1\n    open(f'many{n}', 'wb').write(b'x' * 2**20)",
        "import os\nn = 0\nwhile True:\n    n += 1\n    os.mkdir(f'folder{n}')",
        "import tempfile\nkept = []\nwhile True: kept.append(tempfile.TemporaryFile()); kept[-1].write(b'x' * 2**20)",
    ],
)
async def test_writing_without_end_is_bounded(settings: Any, code: str) -> None:
    settings.SANDBOX_FILES_BYTES, settings.SANDBOX_SECONDS = 8 * 2**20, 20
    outcome = await sandbox.execute(code)
    assert outcome.ended in ("failed", "files")
    assert sum(len(file.data) for file in outcome.files) <= 8 * 2**20


async def test_a_file_with_a_hole_counts_whole(settings: Any) -> None:
    settings.SANDBOX_FILES_BYTES = 2**20
    code = "for n in range(3): open(f'{n}', 'wb').truncate(2**19 + 1)"
    outcome = await sandbox.execute(code)
    assert [file.name for file in outcome.files] == ["0"]
    assert outcome.logs == "[Too many or too large to be kept: 1, 2]"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(600)",
        "import signal; signal.pause()",
    ],
)
async def test_looping_for_ever_is_ended(settings: Any, code: str) -> None:
    settings.SANDBOX_SECONDS = 1
    outcome = await sandbox.execute(f"print('begun')\nopen('kept', 'w').write('x')\n{code}")
    assert outcome.ended == "time"
    assert outcome.logs == "begun\n[Ended: it took longer than 1 seconds.]"
    assert [file.name for file in outcome.files] == ["kept"]


async def test_printing_without_end_is_ended(settings: Any) -> None:
    settings.SANDBOX_OUTPUT_BYTES = 1000
    outcome = await sandbox.execute("while True: print('x' * 100)")
    assert outcome.ended == "output"
    assert outcome.logs.startswith("x" * 100)
    assert outcome.logs.endswith("[Ended: it printed more than 1,000 bytes; the rest is lost.]")
    assert len(outcome.logs) < 1100


async def test_what_is_given_is_bounded(settings: Any) -> None:
    settings.SANDBOX_FILES_BYTES = 1000
    with pytest.raises(sandbox.GivenTooMuch, match="1,000 bytes"):
        await sandbox.execute("pass", [File("a", b"x" * 600), File("b", b"x" * 600)])


async def test_cancelling_ends_it_and_all_it_started(token: str) -> None:
    task = asyncio.create_task(sandbox.execute(stays(token) + "time.sleep(600)"))
    await asyncio.to_thread(wait_until, lambda: running(token) or task.done())
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_until, lambda: not running(token))


async def test_it_ends_when_the_gateway_is_killed(token: str, settings: Any, sandbox_way: str) -> None:
    if "another" in sandbox_way:
        pytest.skip("the process of its own below knows of no other user")
    script = (
        "import asyncio, django; django.setup(); from gateway import sandbox;"
        f"asyncio.run(sandbox.execute({stays(token) + 'time.sleep(600)'!r}))"
    )
    environment = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "gateway.settings", "TOLLGATE_DATA": str(settings.DATA),
        "TOLLGATE_SANDBOX": sandbox_way, "TOLLGATE_SANDBOX_PYTHON": settings.SANDBOX_PYTHON,
        "TOLLGATE_SANDBOX_SECONDS": "600",
    }  # fmt: skip
    process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", script], env=environment, cwd=ROOT)
    try:
        await asyncio.to_thread(wait_until, lambda: running(token))
    finally:
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    await asyncio.to_thread(wait_until, lambda: not running(token))


async def test_who_waits_for_others_holds_no_files(settings: Any) -> None:
    fetching: list[int] = []
    may_go_on = threading.Event()

    def fetch() -> list[File]:
        fetching.append(1)
        may_go_on.wait(60)
        return [File("a.txt", b"a")]

    some = [asyncio.ensure_future(sandbox.execute_with("open('a.txt').read()", fetch)) for _ in range(6)]
    try:
        await asyncio.to_thread(wait_until, lambda: len(fetching) >= settings.SANDBOX_PARALLEL)
        await asyncio.sleep(0.2)
        assert len(fetching) == settings.SANDBOX_PARALLEL
    finally:
        may_go_on.set()
    assert [outcome.logs for outcome in await asyncio.gather(*some)] == ["'a'"] * 6


async def test_more_than_may_run_at_once_wait_for_each_other() -> None:
    outcomes = await asyncio.gather(*(sandbox.execute(f"print({number})") for number in range(6)))
    assert [outcome.logs for outcome in outcomes] == ["0", "1", "2", "3", "4", "5"]
