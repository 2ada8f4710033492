"""Child processes that stop together with this process, and are restarted if they exit unexpectedly."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: The delay before a restart doubles each time up to the maximum. It is reset when a child has run for 30 s.
FIRST_WAIT_S, MAX_WAIT_S, STABLE_AFTER_S = 0.5, 10.0, 30.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(signal_number: int = signal.SIGTERM) -> Callable[[], None]:
    """Return a `preexec_fn` that makes the kernel send the signal to the child when its parent dies.

    The "parent" is the thread that starts the child, so start children from the main thread. Only Linux supports this;
    on other systems a SIGKILL of the parent leaves orphans.
    """
    parent = os.getpid()

    def set_death_signal() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal_number)
            if os.getppid() != parent:  # the parent died before the call
                os._exit(1)

    return set_death_signal


def spawn(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    log: Path,
    *,
    cwd: Path | None = None,
    death_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a command in a new session. Ctrl-C then reaches only this process, which stops its children in order.

    Args:
        command: the program and its arguments.
        environ: the complete environment.
        log: the file to which output is appended.
        cwd: the working directory.
        death_signal: sent to the command when this process dies.
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
            preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509  # there is one thread, and the function only calls C
        )


def stop(process: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM, timeout_s: float = 15) -> None:
    """Send the signal, wait up to `timeout_s`, then kill all remaining processes of the session."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.send_signal(signal_number)
        process.wait(timeout_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command: Sequence[str | Path], environ: Mapping[str, str], log: Path, *, cwd: Path | None = None) -> int:
    """Run a command and return its exit code. It is killed if this process is interrupted."""
    process = spawn(command, environ, log, cwd=cwd)
    try:
        return process.wait()
    finally:
        stop(process)


class Child:
    """A long-running command that is restarted whenever it exits.

    Args:
        name: how log messages refer to the process, such as "The web server".
        log: the output file. Truncated on the first start, but not on restarts.
        start: starts the process.
    """

    def __init__(self, name: str, log: Path, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.name, self.log, self._start = name, log, start
        self._wait_s = FIRST_WAIT_S
        self._exited_at: float | None = None
        log.unlink(missing_ok=True)
        self.start()

    def start(self) -> None:
        self._process = self._start()
        self._started_at, self._exited_at = time.monotonic(), None

    def stop(self) -> None:
        stop(self._process)

    @property
    def exit_code(self) -> int | None:
        """The child's exit code. None while the child runs, and the negative signal number for a killed child."""
        return self._process.poll()

    def restart_if_exited(self, report: Callable[[str], None]) -> None:
        """Restart a child that has exited, after a delay and regardless of its exit code. Call this often; it does not block."""
        if self.exit_code is None:
            return
        now = time.monotonic()
        if self._exited_at is None:
            self._exited_at = now
            uptime_s = now - self._started_at
            self._wait_s = FIRST_WAIT_S if uptime_s > STABLE_AFTER_S else min(self._wait_s * 2, MAX_WAIT_S)
            report(f"{self.name} exited with code {self.exit_code} and is being restarted; see {self.log}")
        elif now - self._exited_at >= self._wait_s:
            self.start()
