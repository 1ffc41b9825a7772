"""A form is read as it arrives: the same however it is cut, within limits, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import forms
from gateway.departure import ClientGone
from gateway.errors import translate
from gateway.fieldchecks import Invalid
from gateway.formnames import as_body, content_type, file_name
from gateway.forms import Form, FormTooLarge, Limits, NoRoom, NotAForm, read_form
from tests.gateway.files.multipart import BOUNDARY, HEADERS, body, cut, part, receiving

LIMITS = Limits(files=300_000, fields=1_000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.UPLOADS = tmp_path / "uploads"
    return settings.UPLOADS


async def read(whole: bytes, size: int = 1 << 16, limits: Limits = LIMITS, headers: Any = HEADERS) -> Form:
    return await read_form(receiving(cut(whole, size)), headers, limits)


async def test_gives_fields_and_files_in_their_order(folder: Path) -> None:
    form = await read(body(
        part("purpose", b"batch"), part("file", b"\x00\xff\r\n--", filename="a.jsonl", type="text/x; charset=utf-8"),
        part("purpose", "Grüße".encode()), part("other", b"", filename="empty"),
    ))  # fmt: skip
    assert form.fields == [("purpose", "batch"), ("purpose", "Grüße")]
    assert [(each.field, each.filename, each.content_type, each.size, each.read()) for each in form.files] == [
        ("file", "a.jsonl", "text/x", 6, b"\x00\xff\r\n--"),
        ("other", "empty", "application/octet-stream", 0, b""),
    ]
    form.close()
    assert os.listdir(folder) == []


values = st.binary(max_size=300) | st.sampled_from([b"\r\n--" + BOUNDARY[:-1], b"\r", b"--", b"\r\n" * 40])


@given(st.lists(st.tuples(st.booleans(), values), max_size=6), st.integers(1, 50))
def test_is_the_same_however_it_is_cut(parts: list[tuple[bool, bytes]], size: int) -> None:
    sent = [
        part(f"f{number}", value, filename="x") if is_file else part(f"t{number}", value.hex().encode())
        for number, (is_file, value) in enumerate(parts)
    ]
    form = asyncio.run(read(body(*sent), size, Limits(files=10_000, fields=10_000)))
    assert [upload.read() for upload in form.files] == [value for is_file, value in parts if is_file]
    assert [value for _, value in form.fields] == [value.hex() for is_file, value in parts if not is_file]
    form.close()


@given(st.binary(max_size=400), st.integers(1, 100))
def test_any_bytes_are_a_form_or_a_clear_error(noise: bytes, size: int) -> None:
    for whole in (noise, part("a", b"b") + noise, b"--" + BOUNDARY + b"\r\n" + noise):
        with suppress(Invalid, FormTooLarge):
            asyncio.run(read(whole, size)).close()


async def test_a_big_file_goes_to_the_disk_and_has_no_name_there(folder: Path) -> None:
    content = bytes(range(256)) * 1_000
    form = await read(body(part("file", content, filename="big")), 10_000)
    upload = form.files[0]
    assert isinstance(upload.file.fileno(), int)
    assert os.listdir(folder) == []
    assert b"".join(upload.pieces(1_000)) == upload.read() == content
    one, two = upload.pieces(100_000), upload.pieces(100_000)
    assert [next(one), next(two), next(one), next(two)] == [
        content[:100_000], content[:100_000], content[100_000:200_000], content[100_000:200_000],
    ]  # fmt: skip
    form.close()
    assert upload.file.closed


TOO_LARGE = {
    "files": body(part("a", bytes(200_000), filename="a"), part("b", bytes(200_000), filename="b")),
    "one field": body(part("a", b"x" * 1_001)),
    "fields together": body(*(part(f"a{number}", b"x" * 300) for number in range(4))),
}


@pytest.mark.parametrize("whole", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_what_is_too_large_is_refused(whole: bytes) -> None:
    with pytest.raises(FormTooLarge) as caught:
        await read(whole, 5_000)
    assert translate(caught.value).status == 413


async def test_what_says_that_it_is_too_large_is_not_read() -> None:
    headers = {**HEADERS, b"content-length": b"999999999"}

    async def receive() -> dict[str, Any]:
        raise AssertionError("read")

    with pytest.raises(FormTooLarge):
        await read_form(receive, headers, LIMITS)


MALFORMED = {
    "nothing": b"",
    "truncated": body(part("a", b"x"))[:-6],
    "in the middle of a file": part("file", b"x" * 100, filename="a")[:-50],
    "another boundary": body(part("a", b"x")).replace(BOUNDARY, b"----other"),
    "no name": body(part("a", b"x").replace(b'; name="a"', b"")),
    "no disposition": body(part("a", b"x").replace(b"Content-Disposition", b"X-Nothing")),
    "a long header": body(part("a", b"x", type="x" * 5_000)),
    "a long name": body(part("a" * 5_000, b"x")),
    "many headers": body(part("a", b"x").replace(b"\r\n\r\n", b"\r\nX: y" * 9 + b"\r\n\r\n")),
    "many parts": body(*(part(f"a{number}", b"") for number in range(65))),
    "no text": body(part("a", b"\xff\xfe")),
    "bad header": body(part("a", b"x").replace(b"Content-D", b"Content D")),
}  # fmt: skip


@pytest.mark.parametrize("whole", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_form_is_a_clear_error(whole: bytes, folder: Path) -> None:
    for size in (1, 10_000):
        with pytest.raises(Invalid) as caught:
            await read(whole, size)
        assert caught.value.code == "invalid_multipart"


@pytest.mark.parametrize("said", [b"", b"application/json", b"multipart/mixed; boundary=a", b"text/plain"])
async def test_another_type_is_refused_as_such(said: bytes) -> None:
    with pytest.raises(NotAForm) as caught:
        await read(b"", headers={b"content-type": said} if said else {})
    assert translate(caught.value).status == 415


@pytest.mark.parametrize("said", [b"multipart/form-data", b"multipart/form-data; boundary=" + b"x" * 300])
async def test_a_boundary_that_cannot_be_is_a_clear_error(said: bytes) -> None:
    with pytest.raises(Invalid):
        await read(b"", headers={b"content-type": said})


async def test_nothing_stays_open_of_what_was_not_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = forms.temporary_file
    monkeypatch.setattr(forms, "temporary_file", lambda: made.append(real()) or made[-1])
    start = cut(body(part("file", bytes(200_000), filename="a")), 50_000)[:3]
    with pytest.raises(ClientGone):
        await read_form(receiving(start, leaves=True), HEADERS, LIMITS)
    with pytest.raises(Invalid):
        await read_form(receiving(start), HEADERS, LIMITS)
    assert [file.closed for file in made] == [True, True]


async def test_a_full_disk_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        closed = False

        def write(self, piece: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            self.closed = True

    full = Full()
    monkeypatch.setattr(forms, "temporary_file", lambda: full)
    with pytest.raises(NoRoom):
        await read(body(part("file", b"x", filename="a")))
    assert full.closed


NAMES = {
    "a.txt": "a.txt",
    "../../etc/passwd": "passwd",
    "C:\\Users\\me\\notes.txt": "notes.txt",
    "/": "upload",
    "": "upload",
    "..": "upload",
    "a\r\nSet-Cookie: x": "aSet-Cookie: x",
    "a\x00b.txt": "ab.txt",
    "x" * 300 + ".jsonl": "x" * 249 + ".jsonl",
    "." + "x" * 300: "." + "x" * 254,
    "gpj.\u202egnp": "gpj.gnp",
    "Grüße 😀.md": "Grüße 😀.md",
}


@pytest.mark.parametrize("said", NAMES)
def test_a_file_name_is_harmless(said: str) -> None:
    assert file_name(said) == NAMES[said]


@given(st.text(max_size=600))
def test_any_file_name_is_short_and_printable(said: str) -> None:
    name = file_name(said)
    assert 0 < len(name) <= 255
    assert not set(name) & set("/\\\r\n\x00")
    assert name.strip(".")
    name.encode()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Audio/WAV; codecs=1", "audio/wav"),
        ("text/html\r\nx", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
    ],
)
def test_a_content_type_is_a_type_alone(said: str, kind: str) -> None:
    assert content_type(said) == kind


def test_fields_become_a_body() -> None:
    fields = [
        ("model", "whisper-1"), ("granularities[]", "word"), ("granularities[]", "segment"), ("expires[anchor]", "x"),
        ("expires[seconds]", "3600"), ("twice", "1"), ("twice", "2"), ("one[]", "1"), ("odd[", "y"),
    ]  # fmt: skip
    assert as_body(fields) == {
        "model": "whisper-1", "granularities": ["word", "segment"], "expires": {"anchor": "x", "seconds": "3600"},
        "twice": ["1", "2"], "one": ["1"], "odd[": "y",
    }  # fmt: skip


@pytest.mark.parametrize("names", [("a", "a[b]"), ("a[b]", "a"), ("a[b]", "a[]"), ("a[]", "a[b]")])
def test_a_name_is_used_in_one_way(names: tuple[str, str]) -> None:
    with pytest.raises(Invalid):
        as_body([(name, "x") for name in names])
