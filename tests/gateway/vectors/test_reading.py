"""Files read by a program with limits: whatever they are, the gateway goes on."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path
from typing import IO, Any

import pytest

from gateway.files.rows import StoredFile
from gateway.vectors import reading
from gateway.vectors.reading import Unreadable
from tests.gateway.vectors import documents


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what reads ``data`` as a stored file of a name."""

    def reads(data: bytes, filename: str, size: int | None = None) -> str:
        def fetch(name: str, file: IO[bytes]) -> None:
            file.write(data)
            file.seek(0)

        monkeypatch.setattr(reading, "_fetch", fetch)
        stored = StoredFile(name="x", filename=filename, bytes=len(data) if size is None else size)
        return asyncio.run(reading.text_of(stored))

    return reads


def refused(read: Any, data: bytes, filename: str, **options: Any) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(data, filename, **options)
    return caught.value


@pytest.mark.parametrize(
    ("data", "filename", "text"),
    [
        (b"plain", "a.txt", "plain"),
        ("Ça va".encode(), "ça.md", "Ça va"),
        (documents.pdf(["A page"]), "a.pdf", "A page"),
        (documents.docx("A paragraph"), "a.docx", "A paragraph"),
        (b"<p>One</p>", "../../etc/passwd/; rm -rf ~ `x`.html", "One"),
        (b"plain", "-c.\n", "plain"),
        (b"plain", "a.ｐｄｆ", "plain"),
    ],
)
def test_a_file_is_read_whatever_it_is_called(read, data, filename, text):
    assert read(data, filename).strip() == text


@pytest.mark.parametrize(
    ("data", "filename", "code"),
    [
        (lambda: documents.bomb(200), "bomb.docx", "invalid_file"),
        (documents.entities, "entities.docx", "invalid_file"),
        (lambda: documents.pdf(["x"], stream=zlib.compress(b"0 " * 60_000_000)), "stream.pdf", "invalid_file"),
        (lambda: documents.pdf(["x"])[:150], "cut.pdf", "invalid_file"),
        (lambda: b"\x7fELF\0\0", "program", "unsupported_file"),
    ],
    ids=["bomb", "entities", "stream", "cut", "program"],
)
def test_a_hostile_file_is_refused(read, data, filename, code):
    assert refused(read, data(), filename).code == code


def test_a_file_that_takes_too_much_memory_is_refused(read, monkeypatch, tmp_path):
    program = tmp_path / "small.py"
    program.write_text(reading.PROGRAM.read_text().replace("1024 * MEGABYTE", "160 * MEGABYTE"))
    monkeypatch.setattr(reading, "PROGRAM", program)
    error = refused(read, documents.docx(body="<w:p/>" * 600_000), "a.docx")
    assert (error.code, error.message) == ("invalid_file", "The file takes too much memory to be read.")


def test_a_file_that_is_too_large_is_not_even_opened(read):
    error = refused(read, b"x", "a.pdf", size=100 * 1024 * 1024)
    assert (error.code, error.message) == ("invalid_file", "The file is larger than 67108864 bytes.")


def test_a_reader_that_takes_too_long_is_ended(read, monkeypatch, tmp_path):
    program = tmp_path / "slow.py"
    program.write_text("import os, sys, time\nopen(sys.argv[0] + '.pid', 'w').write(str(os.getpid()))\ntime.sleep(600)")
    monkeypatch.setattr(reading, "PROGRAM", program)
    monkeypatch.setattr(reading, "SECONDS", 2.0)
    assert refused(read, b"x", "a.txt").message == "The file takes too long or too much memory to be read."
    assert not Path(f"/proc/{(tmp_path / 'slow.py.pid').read_text()}").exists()


def test_a_reader_that_writes_without_end_is_ended(read, monkeypatch, tmp_path):
    program = tmp_path / "loud.py"
    program.write_text("while True: print('x' * 65536)")
    monkeypatch.setattr(reading, "PROGRAM", program)
    monkeypatch.setattr(reading, "MOST_WRITTEN", 1024 * 1024)
    assert refused(read, b"x", "a.txt").code == "invalid_file"


def test_a_reader_that_fails_is_the_gateways_fault(read, monkeypatch, tmp_path):
    program = tmp_path / "broken.py"
    program.write_text("import nothing_of_that_name")
    monkeypatch.setattr(reading, "PROGRAM", program)
    assert refused(read, b"x", "a.txt").code == "server_error"


def test_a_reader_knows_nothing_of_the_gateway(read, monkeypatch, tmp_path):
    program = tmp_path / "curious.py"
    program.write_text("import os, sys\nprint(sorted(os.environ), [p for p in sys.path if 'gateway' in p])")
    monkeypatch.setattr(reading, "PROGRAM", program)
    monkeypatch.setenv("TOLLGATE_SECRET_KEY", "secret")
    assert "TOLLGATE" not in read(b"x", "a.txt")
