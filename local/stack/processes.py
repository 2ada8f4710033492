"""Child processes that end with this one, however it ends, and come back when they end by themselves."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Seconds before a child that ended is started again: doubled each time up to the longest, and back to the first
#: once a child has lived for the last number.
FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_AFTER_S = 0.5, 10.0, 30.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(signal_number: int = signal.SIGTERM) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send the signal to the child when its parent dies.

    The "parent" is the thread that starts the child, so start children from the main thread. Only Linux has it;
    elsewhere a SIGKILL of the parent leaves orphans.
    """
    parent = os.getpid()

    def ask_kernel() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal_number)
            if os.getppid() != parent:  # it died before the kernel was asked
                os._exit(1)

    return ask_kernel


def spawn(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    log: Path,
    *,
    cwd: Path | None = None,
    death_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that Ctrl-C reaches only us and children stop in order.

    Args:
        command: the program and its arguments.
        environ: its whole environment.
        log: the file that its output is added to.
        cwd: the folder it runs in.
        death_signal: what it is sent when we die.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509  # we have one thread, and it calls C only
        )


def stop(process: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM, patience_s: float = 15) -> None:
    """Ask the process to end, insist after `patience_s`, and leave nothing of its session behind."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.send_signal(signal_number)
        process.wait(patience_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command: Sequence[str | Path], environ: Mapping[str, str], log: Path) -> int:
    """Run a command to its end and return its exit code. Nothing of it is left if we are interrupted."""
    process = spawn(command, environ, log)
    try:
        return process.wait()
    finally:
        stop(process)


class Child:
    """A long-running command that is started again whenever it ends.

    Args:
        name: what people call it, at the start of a sentence.
        log: the file for its output; it begins anew with each run and goes on over restarts.
        start: starts the process.
    """

    def __init__(self, name: str, log: Path, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.name, self.log, self._start = name, log, start
        self._wait_s = FIRST_WAIT_S
        self._ended_at: float | None = None
        log.unlink(missing_ok=True)
        self.start()

    def start(self) -> None:
        self._process = self._start()
        self._started_at, self._ended_at = time.monotonic(), None

    def stop(self) -> None:
        stop(self._process)

    @property
    def exit_code(self) -> int | None:
        """None while it runs. A killed child has the negative number of the signal."""
        return self._process.poll()

    def revive(self, say: Callable[[str], None]) -> None:
        """Start the child again some time after it ended, whatever its exit code. Call often; it never waits."""
        if self.exit_code is None:
            return
        now = time.monotonic()
        if self._ended_at is None:
            self._ended_at = now
            lived_s = now - self._started_at
            self._wait_s = FIRST_WAIT_S if lived_s > STEADY_AFTER_S else min(self._wait_s * 2, LONGEST_WAIT_S)
            say(f"{self.name} ended (exit code {self.exit_code}), starting it again; see {self.log}")
        elif now - self._ended_at >= self._wait_s:
            self.start()
