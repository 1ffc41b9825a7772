"""Names, frames and the filter of calls: nothing here starts a process."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox import interpreter
from gateway.sandbox.locked import forbidden, frames
from gateway.sandbox.values import free_name, safe_name

X86, ARM = forbidden.MACHINES["x86_64"], forbidden.MACHINES["aarch64"]
ALLOWED, KILLED, REFUSED, MISSING, PRETENDED = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026, 0x00050000


def judged(program: bytes, machine: forbidden.Machine, number: int, first: int = 0) -> int:
    """Return what the kernel would: the packet filter, for the four instructions that ours has."""
    data = struct.pack("=iIQQ", number, machine.audit, 0, first & (2**64 - 1))
    steps = list(struct.iter_unpack("=HBBI", program))
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        else:
            is_so = {0x15: held == value, 0x25: held > value, 0x45: bool(held & value)}[code]
            at += yes if is_so else no


@pytest.mark.parametrize(
    ("number", "first", "answer"),
    [
        (0, 0, ALLOWED), (59, 0, ALLOWED), (53, 1, ALLOWED),  # read, execve, socketpair
        (41, 2, REFUSED), (101, 0, REFUSED), (165, 0, REFUSED), (321, 0, REFUSED),  # socket, ptrace, mount, bpf
        (435, 0, MISSING), (463, 0, MISSING), (0x40000000, 0, MISSING),  # clone3, newer calls, x32
        (56, 0x11, ALLOWED), (56, 0x10000011, REFUSED),  # clone, and with a namespace
        (62, 77, ALLOWED), (62, 0, ALLOWED), (62, 78, REFUSED), (62, -1, REFUSED),  # kill
        (62, 2**32 + 77, REFUSED), (302, 0, ALLOWED), (302, 1, REFUSED),  # prlimit64
        (90, 0, PRETENDED),  # chmod
    ],
)  # fmt: skip
def test_calls_are_judged_by_number_and_first_argument(number: int, first: int, answer: int) -> None:
    assert judged(forbidden.program("x86_64", 77), X86, number, first) == answer


def test_calls_of_another_architecture_kill() -> None:
    assert judged(forbidden.program("x86_64"), ARM, 0) == KILLED


def test_each_machine_has_its_own_numbers() -> None:
    assert judged(forbidden.program("aarch64"), ARM, 198) == REFUSED
    assert judged(forbidden.program("aarch64"), ARM, 41) == REFUSED  # pivot_root there
    assert judged(forbidden.program("aarch64"), ARM, 63) == ALLOWED  # read


def test_in_a_namespace_files_and_processes_are_its_own() -> None:
    assert judged(forbidden.program("x86_64"), X86, 62, 78) == ALLOWED
    assert judged(forbidden.program("x86_64"), X86, 90) == ALLOWED


@given(st.text())
def test_safe_names_stay_in_the_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert not safe.startswith("/")
    assert all(part not in ("", ".", "..") for part in safe.split("/"))
    assert "\0" not in safe
    assert all(len(part.encode()) <= 255 for part in safe.split("/"))


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1, max_size=8))
def test_names_that_code_has_given_files_stay_as_they_are(parts: list[str]) -> None:
    name = "/".join(parts)
    taken_out = name.isprintable() and not {".", ".."} & {*parts} and all(len(part.encode()) <= 255 for part in parts)
    assert not taken_out or safe_name(name) == name


@given(st.lists(st.text(st.sampled_from("a.\\/é🙂 \n"), max_size=300), max_size=8))
def test_uploaded_files_have_distinct_names_that_the_folder_takes_as_they_are(uploaded: list[str]) -> None:
    names: list[str] = []
    for name in uploaded:
        names.append(free_name(name, names))
    assert len(set(names)) == len(uploaded)
    assert all("/" not in name and safe_name(name) == name for name in names)


@pytest.mark.parametrize(
    ("uploaded", "names"),
    [
        (["data.csv", "data.csv", "data.csv"], ["data.csv", "data_2.csv", "data_3.csv"]),
        (["data.csv", "data_2.csv", "data.csv"], ["data.csv", "data_2.csv", "data_3.csv"]),
        (["a", "a", ".env", ".env"], ["a", "a_2", ".env", ".env_2"]),
        (["x" * 250 + "1.csv", "x" * 250 + "2.csv"], ["x" * 250 + "1.csv", "x" * 250 + "2.csv"]),
        (["x" * 255 + ".csv"] * 2, ["x" * 251 + ".csv", "x" * 249 + "_2.csv"]),
        (["🙂" * 70 + ".csv"], ["🙂" * 62 + ".csv"]),
        (["a." + "b" * 300], ["a." + "b" * 253]),
        (["C:\\tables\\data.csv", "..", "/", ""], ["data.csv", "file", "file_2", "file_3"]),
    ],
)
def test_names_are_cut_and_numbered_before_their_endings(uploaded: list[str], names: list[str]) -> None:
    found: list[str] = []
    for name in uploaded:
        found.append(free_name(name, found))
    assert found == names


@given(st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=50)), max_size=5))
def test_frames_say_what_was_written(files: list[tuple[str, bytes]]) -> None:
    stream = io.BytesIO(frames.written({"said": 1}, files))
    assert frames.read(stream.read, 1000) == ({"said": 1}, files)


def test_frames_that_are_too_large_are_refused_before_they_are_read() -> None:
    stream = io.BytesIO(frames.written({}, [("a", b"x" * 11)]))
    with pytest.raises(frames.Malformed):
        frames.read(stream.read, 10)


def test_folders_within_others_are_shown_with_them() -> None:
    assert interpreter.outermost(["/usr/lib", "/usr", "/usrlocal", "/opt/p"]) == ["/opt/p", "/usr", "/usrlocal"]
