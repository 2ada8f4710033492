"""CPU time of other processes.

psutil reads `/proc`, which counts in ticks of 10 ms: too coarse for pages that take 2 ms. Linux also has a clock for each
process, which counts in nanoseconds and includes the threads that have ended.
"""

import sys
import time
from collections.abc import Iterable

import psutil


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the total CPU time of the processes. Ignore processes that have ended, such as PostgreSQL's helpers."""
    return sum(_seconds(process) for process in processes)


def _seconds(process: psutil.Process) -> float:
    try:
        if sys.platform == "linux":
            return time.clock_gettime(_clock_of(process.pid))
        times = process.cpu_times()
    except (OSError, psutil.NoSuchProcess):
        return 0.0
    return times.user + times.system


def _clock_of(pid: int) -> int:
    """Return the id of a process's clock, like `clock_getcpuclockid`, which Python's standard library does not offer."""
    scheduler_clock = 2  # CPUCLOCK_SCHED in the Linux kernel: user and system time together
    return ~pid << 3 | scheduler_clock
