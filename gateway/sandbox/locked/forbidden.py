"""Which calls of the kernel the code may not make, as a program of the kernel's packet filter. Pure.

Numbers: ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h`` of Linux. What neither
mode needs and what has been a way out of containers before is refused with EPERM (compare Docker's default profile);
calls newer than these tables do not exist there (ENOSYS).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

LAST_KNOWN = 462
EPERM, ENOSYS, DONE = 1, 38, 0
CLONE3 = 435
NEW_NAMESPACES = 0x7E020000  # the flags of clone that make namespaces

# of x86_64, of aarch64; None: it has none
FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # the network; socketpair stays, as event loops talk to themselves by it
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # other processes, and what they remember
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # parts of the kernel that many of its holes were in
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "fanotify_init": (300, 262), "personality": (135, 92), "modify_ldt": (154, None),
    "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "uselib": (134, None), "sysfs": (139, None),
    # memory that belongs to no process, which nobody would count
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181),
    # the machine
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "syslog": (103, 116), "iopl": (172, None), "ioperm": (173, None),
    "vhangup": (153, 58),
}  # fmt: skip
CLONE: tuple[int, int] = (56, 220)

# What Landlock leaves open, where code shares the machine's files and processes with the gateway
SHARED: dict[str, tuple[int | None, int | None]] = {
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "tkill": (200, 130),
    "setpriority": (141, 140), "ioprio_set": (251, 30),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "inotify_add_watch": (254, 27),
}  # fmt: skip
# its first argument is a process: 0, or the code's own
OWN_PROCESS: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261), "sched_setaffinity": (203, 122),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
}  # fmt: skip
# modes, owners and times of files: they say that it is done, as copying a file asks for them, and do nothing
PRETENDED: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88),
}  # fmt: skip


class Machine(NamedTuple):
    """``column`` is that of the tables."""

    audit: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_LOW, _FIRST_HIGH = 0, 4, 16, 20
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000

Step = tuple[int, int, int, int]


def program(machine: str, own_process: int | None = None) -> bytes:
    """Return the filter for ``machine``; with ``own_process``, for code that shares files and processes with others.

    Raises ``KeyError`` where the machine's calls are not known.
    """
    known = MACHINES[machine]
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, known.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_when(_GREATER, LAST_KNOWN, ENOSYS),
        *_when(_EQUAL, CLONE3, ENOSYS),  # its flags cannot be seen; libraries then call clone
        *_listed(FORBIDDEN, known, EPERM),
        *_clone(known),
    ]
    if own_process is not None:
        steps += [*_listed(SHARED, known, EPERM), *_listed(PRETENDED, known, DONE), *_own(known, own_process)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _listed(table: dict[str, tuple[int | None, int | None]], machine: Machine, error: int) -> Sequence[Step]:
    numbers = [pair[machine.column] for pair in table.values()]
    return [step for number in numbers if number is not None for step in _when(_EQUAL, number, error)]


def _when(test: int, value: int, error: int) -> Sequence[Step]:
    return ((test, 0, 1, value), (_RETURN, 0, 0, _ERROR | error))


def _clone(machine: Machine) -> Sequence[Step]:
    return (
        (_EQUAL, 0, 3, CLONE[machine.column]),
        (_LOAD, 0, 0, _FIRST_LOW),
        *_when(_ANY_BIT, NEW_NAMESPACES, EPERM),
        (_LOAD, 0, 0, _NUMBER),
    )


def _own(machine: Machine, process: int) -> Sequence[Step]:
    numbers = [pair[machine.column] for pair in OWN_PROCESS.values()]
    steps: list[Step] = []
    for number in numbers:
        if number is not None:
            steps += [
                (_EQUAL, 0, 7, number),
                (_LOAD, 0, 0, _FIRST_HIGH),
                (_EQUAL, 0, 3, 0),
                (_LOAD, 0, 0, _FIRST_LOW),
                (_EQUAL, 2, 0, 0),
                (_EQUAL, 1, 0, process),
                (_RETURN, 0, 0, _ERROR | EPERM),
                (_LOAD, 0, 0, _NUMBER),
            ]
    return steps
