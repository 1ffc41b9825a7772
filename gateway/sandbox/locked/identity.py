"""Namespaces of this process's own, and who it and the code are in them."""

from __future__ import annotations

import os
import secrets
import sys

from . import calls

CODE = 1000  # the code's user in the namespace
# Of all users of the machine nobody has these (see systemd's table of user ids): a root gateway gives the code one.
FIRST_UNUSED, UNUSED = 0x70000000, 0x10000
ALL = (
    calls.CLONE_NEWUSER | calls.CLONE_NEWNS | calls.CLONE_NEWPID | calls.CLONE_NEWNET
    | calls.CLONE_NEWIPC | calls.CLONE_NEWUTS | calls.CLONE_NEWCGROUP
)  # fmt: skip


def unused() -> int:
    """Return a user id that no account has."""
    return FIRST_UNUSED + secrets.randbelow(UNUSED)


def enter_namespaces() -> None:
    """Leave the machine's network, processes, mounts and users; the next child is process 1.

    The gateway's own user becomes the namespace's ``CODE``; root stays its root, and ``CODE`` is an unused user. Raises
    ``OSError``.
    """
    begin, begun = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(begun)
        _write_maps(begin, os.getppid())
    os.close(begin)
    try:
        calls.unshare(ALL)
    finally:
        os.close(begun)
        _, status = os.waitpid(helper, 0)
    if status:
        raise OSError("the users of the namespace could not be set")


def become_code(*, is_root: bool) -> None:
    """Give up every right for good, also what a set-uid program would give back."""
    for capability in range(64):
        try:
            calls.prctl(calls.PR_CAPBSET_DROP, capability)
        except OSError:
            break  # the kernel has no more of them, or we had none
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
    if is_root:
        become(CODE)


def become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _write_maps(begin: int, process: int) -> None:
    """In a child, as the machine's own user may only say it from outside: wait for the end of ``begin``, then write."""
    failed = 1
    try:
        os.read(begin, 1)
        for name, text in _maps(os.geteuid(), os.getegid()):
            with open(f"/proc/{process}/{name}", "w") as file:
                file.write(text)
        failed = 0
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    finally:
        os._exit(failed)


def _maps(user: int, group: int) -> list[tuple[str, str]]:
    if user == 0:
        text = f"0 0 1\n{CODE} {unused()} 1\n"
        return [("uid_map", text), ("gid_map", text)]
    return [("setgroups", "deny"), ("uid_map", f"{CODE} {user} 1\n"), ("gid_map", f"{CODE} {group} 1\n")]
