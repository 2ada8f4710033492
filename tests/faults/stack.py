"""The processes of a site: PostgreSQL, PgBouncer, two web servers and a worker, connected through proxies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from config.environment import BASE_DIR
from local.errors import SetupError
from local.stack.postgres import EmbeddedPostgres
from local.stack.processes import spawn, stop
from local.stack.steps import get_status
from tests.helpers.servers import pgbouncer
from tests.helpers.servers.processes import free_port, wait_until
from tests.helpers.servers.tcp_proxy import TcpProxy

NEVER = "0 0 29 2 *"
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    "AUDIT_SEAL_KEY": "as long as a key of thirty-two characters has to be",
    "AUDIT_SEAL_CRON": "* * * * * */3",
    # The users do not exist at any Clerk instance, so a reconciliation would delete them.
    "RECONCILE_CRON": NEVER,
    "RECONCILE_FULL_CRON": NEVER,
    "CLERK_API_URL": "http://127.0.0.1:9",
}
WEB = (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
WORKER = (sys.executable, "manage.py", "procrastinate", "worker")
WEB_SERVERS, POOL_SIZE = 2, 10
#: Seconds between checks for exited processes.
SUPERVISE_EVERY_S = 0.1


class Service:
    """A command that is started again as soon as it exits. Its process group can be killed or paused."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, **environ: str) -> None:
        self.name, self.log, self.restarts = name, log, 0
        self._command, self._environ, self._code = command, os.environ | environ, BASE_DIR
        self._given = self._environ
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return spawn(self._command, self._environ, self.log, cwd=self._code)

    def use_code(self, folder: Path, **environ: str) -> None:
        """Start another release of the code the next time, with additional settings."""
        self._code, self._environ = folder, self._given | environ

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def terminate(self) -> None:
        """Ask the process to finish its work and exit."""
        self._process.terminate()

    def kill_child(self) -> None:
        """Kill one child process, such as a worker process of gunicorn."""
        with suppress(psutil.NoSuchProcess, IndexError):
            psutil.Process(self._process.pid).children()[0].kill()

    @property
    def has_exited(self) -> bool:
        return self._process.poll() is not None

    def restart_if_exited(self) -> None:
        if self.has_exited:
            self.restarts += 1
            self._process = self._start()

    def stop(self) -> None:
        self.send_signal(signal.SIGCONT)
        stop(self._process)


class Database:
    """A PostgreSQL server that is started again when it exits, unless `may_restart` is off."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self.url, self.restarts, self.may_restart = postgres.start(), 0, True

    def kill(self) -> None:
        """Kill the server's main process. Its other processes notice this and exit."""
        self._main().kill()

    def kill_session(self) -> None:
        """Kill the process of one session. PostgreSQL then ends all sessions and recovers."""
        sessions = [each for each in self._main().children() if " 127.0.0.1" in " ".join(each.cmdline())]
        local = [each for each in self._main().children() if "[local]" in " ".join(each.cmdline())]
        for process in (sessions or local)[:1]:
            process.kill()

    def end_sessions(self) -> None:
        """End all other sessions properly, like an administrator or a failover."""
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")

    def execute(self, statement: str | bytes) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def restart_if_exited(self) -> None:
        if self.may_restart:
            with suppress(SetupError):  # Processes of the killed server may still run. The next call tries again.
                self.restarts += self.postgres.restart_if_exited()

    def is_accepting(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _main(self) -> psutil.Process:
        return psutil.Process(int((self.postgres.data / "postmaster.pid").read_text().split("\n")[0]))


class Stack:
    """A running site.

    Attributes:
        web_proxy: between Svix and the web servers.
        pooler_proxy: between the web servers and PgBouncer.
        database_proxy: between PgBouncer or the worker and PostgreSQL.
    """

    def __init__(self, stack: ExitStack, folder: Path, database_folder: Path) -> None:
        self.database_folder = database_folder
        self.database = Database(EmbeddedPostgres(database_folder))
        stack.callback(self.database.postgres.stop)
        socket = self.database.postgres.sockets / ".s.PGSQL.5432"
        self.database_proxy = stack.enter_context(TcpProxy([socket]))
        role = pgbouncer.create_role(self.database.url)
        _migrate(self.database.url)
        pooler_port, ports = free_port(), [free_port() for _ in range(WEB_SERVERS)]
        self.pooler_proxy = stack.enter_context(TcpProxy([pooler_port]))
        self.web_proxy = stack.enter_context(TcpProxy(ports))
        login = f"{role['user']}:{role['password']}@127.0.0.1"
        direct = {"DATABASE_URL": f"postgresql://{login}:{self.database_proxy.port}/app"}
        pooled = {
            "DATABASE_URL": f"postgresql://{login}:{self.pooler_proxy.port}/app",
            "DATABASE_POOLER": "transaction",
        }
        target = {"host": "127.0.0.1", "port": self.database_proxy.port, "dbname": "app", **role}
        configuration = _write_configuration(folder, target, pooler_port)
        self.pooler = Service("pooler", [pgbouncer.binary(), configuration], folder / "pooler.txt")
        self.web = [
            Service("web server", WEB, folder / f"web-{port}.txt", **ENVIRONMENT | pooled | _web(port))
            for port in ports
        ]
        self.worker = Service("worker", WORKER, folder / "worker.txt", **ENVIRONMENT | direct)
        self.services = [self.pooler, *self.web, self.worker]
        for service in self.services:
            stack.callback(service.stop)
        wait_until(lambda: all(get_status(port, "/readyz") == 200 for port in ports), f"nothing started, see {folder}")

    def supervise(self, seconds: float) -> None:
        """Restart processes that exit, for some time."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self.database.restart_if_exited()
            for service in self.services:
                service.restart_if_exited()
            time.sleep(SUPERVISE_EVERY_S)

    def wait_for_database(self) -> None:
        ends_at = time.monotonic() + 60
        while not self.database.is_accepting():
            assert time.monotonic() < ends_at, f"PostgreSQL does not start, see {self.database.postgres.log}"
            self.supervise(0.2)


@contextmanager
def running_stack(folder: Path, database_folder: Path) -> Iterator[Stack]:
    with ExitStack() as stack:
        yield Stack(stack, folder, database_folder)


def _web(port: int) -> dict[str, str]:
    return {"PORT": str(port), "WEB_CONCURRENCY": "1"}


def _migrate(url: str) -> None:
    environ = os.environ | ENVIRONMENT | {"DATABASE_URL": url}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, cwd=BASE_DIR, check=True)


def _write_configuration(folder: Path, target: dict[str, object], port: int) -> Path:
    path = folder / "pgbouncer.ini"
    path.write_text(pgbouncer.configure({"app": target}, port, pool_size=POOL_SIZE))
    return path
