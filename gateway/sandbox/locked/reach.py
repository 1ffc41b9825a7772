"""Which files a process can open, where it shares the machine's: Landlock, from Linux 6.2 on."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

from . import calls

LEAST_VERSION = 3  # before it, files could still be emptied by their path
_VERSION_ASKED = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_ALL_OF_3 = (1 << 15) - 1
READ = _EXECUTE | _READ_FILE | _READ_DIR
DEVICE = _READ_FILE | _WRITE_FILE
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_PATH_BENEATH = 1


def limit(read: Sequence[str], write: Sequence[str], devices: Sequence[str]) -> None:
    """Let this process and its children reach nothing but these. Raises ``OSError`` where the kernel cannot."""
    version = calls.call(calls.SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_ASKED)
    if version < LEAST_VERSION:
        raise OSError(f"Landlock of this kernel has version {version}, needed is {LEAST_VERSION} (Linux 6.2)")
    handled = _ALL_OF_3 | (_IOCTL_DEV if version >= 5 else 0)
    attr = ctypes.c_uint64(handled)
    rules = calls.call(calls.SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(8), 0)
    for paths, access in ((read, READ), (write, _ALL_OF_3), (devices, DEVICE)):
        for path in paths:
            _allow(rules, path, access)
    calls.call(calls.SYS_LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(beneath).st_mode):
        access &= _OF_FILES
    rule = ctypes.create_string_buffer(access.to_bytes(8, "little") + beneath.to_bytes(4, "little"), 12)
    calls.call(calls.SYS_LANDLOCK_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(beneath)
