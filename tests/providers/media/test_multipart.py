"""A form that is sent says what the body said, whatever its names, words and files are made of."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from providers.multipart import Multipart, form_of, framed, has_files
from providers.sending import Sent
from providers.uploads import Upload

BOUNDARY = "b0undary"
TEXT = st.text(max_size=40).map(lambda text: text.encode(errors="replace").decode())
NAME = st.text("abc[]_ \"'\r\né", min_size=1, max_size=12)


def upload(data: bytes = b"sound", filename: str = "a.wav") -> Upload:
    return Upload("file", filename, "audio/wav", len(data), BytesIO(data))


def sent(form: Multipart) -> bytes:
    parts = framed(form, BOUNDARY).parts
    return b"".join(part if isinstance(part, bytes) else part.read() for part in parts)


def parts_of(data: bytes) -> list[tuple[dict[bytes, bytes], dict[bytes, bytes], bytes]]:
    """Return the parts as another reader of forms sees them: disposition, headers, content."""
    found: list[list[bytes]] = []
    headers: list[dict[bytes, bytes]] = []
    name = value = b""

    def begin() -> None:
        found.append([])
        headers.append({})

    def field(data: bytes, start: int, end: int) -> None:
        nonlocal name
        name += data[start:end]

    def said(data: bytes, start: int, end: int) -> None:
        nonlocal value
        value += data[start:end]

    def end() -> None:
        nonlocal name, value
        headers[-1][name.lower()] = value
        name = value = b""

    def content(data: bytes, start: int, end: int) -> None:
        found[-1].append(data[start:end])

    parser = MultipartParser(
        BOUNDARY.encode(),
        {"on_part_begin": begin, "on_header_field": field, "on_header_value": said, "on_header_end": end,
         "on_part_data": content},
    )  # fmt: skip
    parser.write(data)
    parser.finalize()
    return [
        (parse_options_header(head[b"content-disposition"])[1], head, b"".join(pieces))
        for head, pieces in zip(headers, found, strict=True)
    ]


def test_a_body_becomes_the_form_that_openais_clients_write():
    file = upload()
    form = form_of(
        {"model": "m", "n": 2, "temperature": 0.5, "stream": True, "nothing": None, "file": file,
         "include": ["logprobs"], "chunking_strategy": {"type": "server_vad", "prefix_padding_ms": 3}}
    )  # fmt: skip
    assert form.files == (("file", file),)
    assert form.fields == (
        ("model", "m"), ("n", "2"), ("temperature", "0.5"), ("stream", "true"), ("include[]", "logprobs"),
        ("chunking_strategy[type]", "server_vad"), ("chunking_strategy[prefix_padding_ms]", "3"),
    )  # fmt: skip


def test_several_files_of_one_name_are_a_list():
    one, other = upload(), upload(b"other")
    form = form_of({"image": [one, other], "mask": one})
    assert form.files == (("image[]", one), ("image[]", other), ("mask", one))


@pytest.mark.parametrize(
    ("body", "has"), [({}, False), ({"a": [1, "b"]}, False), ({"a": upload()}, True), ({"a": [1, upload()]}, True)]
)
def test_it_is_known_whether_a_body_has_files(body, has):
    assert has_files(body) is has


@given(st.lists(st.tuples(NAME, TEXT), max_size=4), st.lists(st.tuples(NAME, NAME, st.binary(max_size=99)), max_size=3))
def test_nothing_gets_out_of_its_part_and_the_size_is_what_is_sent(fields, files):
    form = Multipart(tuple(fields), tuple((name, upload(data, filename)) for name, filename, data in files))
    data = sent(form)
    assert framed(form, BOUNDARY).size == len(data)
    read = parts_of(data)
    assert [content for _, _, content in read] == [value.encode() for _, value in fields] + [data for *_, data in files]
    assert [b"filename" in disposition for disposition, _, _ in read] == [False] * len(fields) + [True] * len(files)


async def test_a_form_is_sent_the_same_as_often_as_it_is_sent():
    form = form_of({"model": "m", "file": upload(bytes(range(256)) * 1000)})
    body = Sent(form, framed(form, BOUNDARY))
    first = b"".join([piece async for piece in body])
    assert first == b"".join([piece async for piece in body]) == sent(form)
    assert len(first) == body.size
    assert max([len(piece) async for piece in body]) <= 64 * 1024


async def test_two_attempts_at_one_time_read_the_same_file():
    form = form_of({"file": upload(bytes(range(256)) * 1000)})
    body = Sent(form, framed(form, BOUNDARY))
    one, other = aiter(body), aiter(body)
    pieces: list[list[bytes]] = [[], []]
    while piece := await anext(one, b""):
        pieces[0].append(piece)
        pieces[1].append(await anext(other, b""))
    assert b"".join(pieces[0]) == b"".join(pieces[1]) == sent(form)
