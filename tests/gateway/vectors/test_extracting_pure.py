"""The text of files, by what is in them."""

from __future__ import annotations

import io
import zlib

import pytest
from pypdf import PdfReader, PdfWriter

from gateway.vectors.extracting import INVALID, MOST_PAGES, UNSUPPORTED, Refused, text_of
from tests.gateway.vectors import documents


def read(data: bytes, name: str = "file.txt") -> str:
    return text_of(io.BytesIO(data), name)


def refused(data: bytes, name: str) -> Refused:
    with pytest.raises(Refused) as caught:
        read(data, name)
    return caught.value


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", b"plain", "plain"),
        ("a.md", "# Ça va?".encode(), "# Ça va?"),
        ("a.csv", b"a,b\n1,2\n", "a,b\n1,2\n"),
        ("a.json", b'{"a": 1}', '{"a": 1}'),
        ("a.py", b"def f(): ...", "def f(): ..."),
        ("nothing", b"no name to go by", "no name to go by"),
        ("bom.txt", b"\xef\xbb\xbfmarked", "marked"),
        ("utf16.txt", "sixteen é".encode("utf-16"), "sixteen é"),
        ("be.txt", b"\xfe\xff" + "sixteen".encode("utf-16-be"), "sixteen"),
        ("old.html", '<meta charset="iso-8859-1"><p>Stra\xdfe</p>'.encode("latin-1"), "Straße"),
    ],
)
def test_reads_text_in_the_encodings_there_are(name, data, expected):
    assert read(data, name) == expected


def test_reads_a_page_without_its_scripts_each_block_on_a_line():
    page = (
        b"<html><head><title>Boats</title><style>p{}</style><script>let x = '<p>no</p>'</script></head>"
        b"<body><h1>On <b>boats</b></h1><p>They  float&nbsp;&amp; sink.</p><ul><li>One<li>Two</ul></body></html>"
    )
    assert [line for line in read(page, "a.HTML").splitlines() if line] == [
        "Boats", "On boats", "They float & sink.", "One", "Two",
    ]  # fmt: skip


def test_reads_the_pages_of_a_pdf():
    assert read(documents.pdf(["First page", "Second page"]), "a.pdf").split("\n\n") == ["First page", "Second page"]


def test_reads_a_pdf_by_its_content_whatever_it_is_called():
    assert read(documents.pdf(["Content"]), "a.txt") == "Content"


def test_reads_a_pdf_that_something_stands_before():
    assert "Content" in read(b"junk\n" + documents.pdf(["Content"]), "a.pdf")


def test_reads_the_paragraphs_of_a_word_document():
    assert read(documents.docx("First", "Second"), "a.docx").split() == ["First", "Second"]


def test_a_pdf_without_a_password_to_open_it_is_read():
    assert "Secret" in read(_encrypted(""), "a.pdf")


def test_a_pdf_with_a_password_is_refused():
    assert refused(_encrypted("password"), "a.pdf").code == INVALID


def _encrypted(password: str) -> bytes:
    writer, whole = PdfWriter(clone_from=PdfReader(io.BytesIO(documents.pdf(["Secret"])))), io.BytesIO()
    writer.encrypt(password, "owner", algorithm="AES-256")
    writer.write(whole)
    return whole.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", UNSUPPORTED),
        ("a.zip", documents.packed({"a.txt": "text"}), UNSUPPORTED),
        ("a.xlsx", documents.packed({"xl/workbook.xml": "<a/>"}), UNSUPPORTED),
        ("a.txt", b"zero\0zero", UNSUPPORTED),
        ("a.txt", "Straße".encode("latin-1"), INVALID),
        ("a.pdf", b"no PDF at all", INVALID),
        ("a.docx", b"no document at all", INVALID),
        ("a.txt", b" \n\t ", INVALID),
        ("a.pdf", documents.pdf([""]), INVALID),
        ("a.docx", lambda: documents.bomb(80), INVALID),
        ("a.pdf", lambda: documents.pdf(["x"] * (MOST_PAGES + 1)), INVALID),
        ("a.txt", b"a" * (21 * 1024 * 1024), INVALID),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_says_why_there_is_no_text_to_be_had(name, data, code):
    assert refused(data() if callable(data) else data, name).code == code


@pytest.mark.parametrize(
    "data",
    [
        documents.entities(),
        documents.docx("cut short")[:-40],
        documents.docx(body="<w:p><w:r><w:t>never closed"),
        documents.docx(body="<w:p>" * 5_000 + "</w:p>" * 5_000),
        documents.pdf(["Content"])[:200],
        lambda: documents.pdf(["x"], stream=zlib.compress(b"0 " * 60_000_000)),
    ],
    ids=["entities", "cut zip", "broken xml", "nested xml", "cut pdf", "packed stream"],
)
def test_a_damaged_file_falls_over_and_says_nothing_wrong(data):
    """The program around it says that the file is damaged; here it is enough that no text comes of it."""
    data = data() if callable(data) else data
    with pytest.raises(Exception):  # noqa: B017, PT011 libraries fall over in every way there is
        read(data, "a.docx" if data.startswith(b"PK") else "a.pdf")


def test_characters_zero_are_left_out():
    assert "\0" not in read(documents.pdf([r"a\000b"]), "a.pdf")
