"""Tools of ours where something has gone or is too large: what is told then, without anything being run."""

from __future__ import annotations

import pytest

from gateway.assistants import tooling
from gateway.assistants.rows import Run
from gateway.assistants.tooling import Work
from gateway.files import reading
from gateway.files.rows import StoredFile
from gateway.files.store import UnknownFile
from gateway.inquiry import Inquiry

HALF = 40 * 2**20


async def test_files_that_are_too_large_together_are_not_read(settings) -> None:
    settings.SANDBOX_FILES_BYTES = 2 * HALF - 1
    files = {name: StoredFile(id=name, name=f"no/{name}", filename=name, bytes=HALF) for name in ("a", "b")}
    ran = await tooling.execute(Work(Inquiry({}), Run(handle="run_1"), "call_1", '{"code": "1"}', 2, files))
    assert ran.output == "The code and its files are too large to be executed here."


async def test_a_file_whose_bytes_have_gone_is_unknown() -> None:
    gone = StoredFile(id="file-gone", name="ne/file-gone", filename="a.txt", bytes=1)
    with pytest.raises(UnknownFile, match="file-gone"):
        await reading.content(gone, 10)
    with pytest.raises(UnknownFile, match="file-gone"):
        reading.whole(gone)
    with pytest.raises(UnknownFile, match="file-gone"):
        await reading.upload(gone, "image")
