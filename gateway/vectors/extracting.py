"""The text of a file, told by its content and its name: a program of its own, so that a hostile file meets its limits.

The file is its standard input. It writes the text and ends with 0, or with ``REFUSED`` and why: a code of OpenAI's, a
line feed, a message. Nothing of the gateway is imported.
"""

from __future__ import annotations

import codecs
import os
import re
import resource
import sys
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from html.parser import HTMLParser
from typing import IO

REFUSED = 3
UNSUPPORTED, INVALID = "unsupported_file", "invalid_file"
MEGABYTE = 1024 * 1024
MOST_TEXT = 20 * MEGABYTE
MOST_PAGES = 5_000
# of what Word has written, packed out
MOST_XML, MOST_MEMBERS = 32 * MEGABYTE, 10_000
MEMORY, PROCESSOR_SECONDS, FILES = 1024 * MEGABYTE, 60, 32

NOT_TEXT = "Files of this type are not supported for retrieval."
DOCUMENT = "word/document.xml"
PDF = b"%PDF-"
HTML = (".html", ".htm", ".xhtml")
CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Refused(Exception):
    """There is no text to be had of this file: ``code`` of OpenAI's, and why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def text_of(file: IO[bytes], name: str) -> str:
    """Return the text of a file that can be sought in. Raises ``Refused``, and whatever a library falls over."""
    head = file.read(1024)
    file.seek(0)
    suffix = os.path.splitext(name.lower())[1]
    read = next((read for magic, read in MAGIC if head.startswith(magic)), None)
    if read is None and suffix == ".pdf" and PDF in head:  # other programs forgive what stands before it, too
        read = _pdf
    text = read(file) if read is not None else _plain(file, suffix)
    text = text.replace("\0", "")
    if len(text) > MOST_TEXT:
        raise Refused(INVALID, f"The file has more than {MOST_TEXT} characters of text.")
    if not text.strip():
        raise Refused(INVALID, "The file has no text in it.")
    return text


def _pdf(file: IO[bytes]) -> str:
    import pypdf  # noqa: PLC0415 only who reads a PDF needs it

    reader = pypdf.PdfReader(file, strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused(INVALID, "The PDF is encrypted.")
    if len(reader.pages) > MOST_PAGES:
        raise Refused(INVALID, f"The PDF has more than {MOST_PAGES} pages.")
    return _joined(page.extract_text() for page in reader.pages)


def _joined(pages: Iterable[str]) -> str:
    found, size = [], 0
    for page in pages:
        size += len(page)
        if size > MOST_TEXT:
            raise Refused(INVALID, f"The file has more than {MOST_TEXT} characters of text.")
        found.append(page)
    return "\n\n".join(found)


def _packed(file: IO[bytes]) -> str:
    """Return the text of a Word document, which is a ZIP; other things are too."""
    import mammoth  # noqa: PLC0415 only who reads such a document needs it

    with zipfile.ZipFile(file) as members:
        known = members.infolist()
    if not any(each.filename == DOCUMENT for each in known):
        raise Refused(UNSUPPORTED, NOT_TEXT)
    # no member is packed out any further than it says
    if len(known) > MOST_MEMBERS or sum(each.file_size for each in known if _is_read(each.filename)) > MOST_XML:
        raise Refused(INVALID, f"The document is larger than {MOST_XML} bytes, packed out.")
    file.seek(0)
    return str(mammoth.extract_raw_text(file).value)


def _is_read(name: str) -> bool:
    return name.lower().endswith((".xml", ".rels"))


MAGIC: tuple[tuple[bytes, Callable[[IO[bytes]], str]], ...] = ((PDF, _pdf), (b"PK\x03\x04", _packed))


def _plain(file: IO[bytes], suffix: str) -> str:
    if suffix in (".pdf", ".docx"):
        raise Refused(INVALID, f"The file is no {suffix[1:].upper()}, or damaged.")
    data = file.read(4 * MOST_TEXT + 1)
    if len(data) > 4 * MOST_TEXT:
        raise Refused(INVALID, f"The file has more than {MOST_TEXT} characters of text.")
    text = _decoded(data, suffix in HTML)
    return _Page.text_of(text) if suffix in HTML else text


def _decoded(data: bytes, is_html: bool) -> str:
    said = CHARSET.search(data, 0, 4096) if is_html else None
    encodings = [encoding for mark, encoding in MARKS if data.startswith(mark)] or ["utf-8"]
    if said is not None:
        encodings.append(said[1].decode())
    for encoding in encodings:
        try:
            text = data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            continue
        if "\0" not in text:
            return text
    if b"\0" in data:
        raise Refused(UNSUPPORTED, NOT_TEXT)
    raise Refused(INVALID, "The file is no text, or one that is neither UTF-8 nor UTF-16.")


class _Page(HTMLParser):
    """What is read of a web page: not its scripts, and each block on lines of its own."""

    SILENT = frozenset({"script", "style", "template", "svg"})
    INLINE = frozenset(
        {"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
         "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._silent = ""

    @classmethod
    def text_of(cls, page: str) -> str:
        parser = cls()
        parser.feed(page)
        parser.close()
        lines = (" ".join(line.split()) for line in "".join(parser._pieces).splitlines())
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self.SILENT:
            self._silent = self._silent or tag
        elif tag not in self.INLINE:
            self._pieces.append("\n")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        if tag not in self.INLINE:
            self._pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        elif tag not in self.INLINE:
            self._pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._pieces.append(data)


# the program ---------------------------------------------------------------------------------------------------------


def limit() -> None:
    """Let this process take no more than a file is worth: neither memory nor time, and no process of its own."""
    bounds = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: PROCESSOR_SECONDS,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, most in bounds.items():
        with suppress(ValueError):  # macOS has no bound of memory
            resource.setrlimit(kind, (most, most))
    os.nice(10)


def main() -> int:
    limit()
    # what is said of a failure is said when all that led to it is let go: there may be no memory left
    try:
        text = text_of(sys.stdin.buffer, sys.argv[1])
    except Refused as refused:
        code, message = refused.code, refused.message
    except ImportError:
        raise
    except MemoryError:
        code, message = INVALID, "The file takes too much memory to be read."
    except Exception as error:  # noqa: BLE001 libraries fall over damaged files in every way there is
        code, message = INVALID, f"The file is damaged ({type(error).__name__})."
    else:
        sys.stdout.buffer.write(text.encode(errors="replace"))
        return 0
    sys.stdout.buffer.write(f"{code}\n{message}".encode(errors="replace"))
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
