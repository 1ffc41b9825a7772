"""How much of the machine other work used while the figures were taken."""

import os
import resource
import time

import psutil

# They do our work, though nobody here started them.
SERVERS = {"postgres", "redis-server"}


class Watch:
    """Counts processor time from its making on."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._spent = _others()

    def share(self) -> float:
        """Return the part of all cores' time that went to others, the hypervisor's other guests included."""
        capacity = (time.monotonic() - self._begun) * (os.cpu_count() or 1)
        return max(0.0, (_others() - self._spent) / capacity)


def _others() -> float:
    total = psutil.cpu_times()
    busy = sum(getattr(total, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))
    return busy - _ours() - _servers()


def _ours() -> float:
    """Seconds of this process, of what it started, and of what those started, ended ones included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    living = sum(_seconds(member) for member in psutil.Process().children(recursive=True))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + living


def _servers() -> float:
    return sum(_seconds(process) for process in psutil.process_iter(["name"]) if process.info["name"] in SERVERS)


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
