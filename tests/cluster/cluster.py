"""A site on several hosts: nginx, PgBouncer, a primary and a replica, an object store, two web hosts, two workers and a mail
server.
"""

import base64
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import psycopg

from config.environment import BASE_DIR
from local.stack import server_user
from local.stack.postgres import EmbeddedPostgres
from local.stack.steps import get_status
from tests.cluster import stand_in
from tests.cluster.edge import HOST, Edge, write_certificate, write_configuration
from tests.faults.stack import NEVER, SUPERVISE_EVERY_S, WEB, WORKER, Database, Service
from tests.helpers import tokens
from tests.helpers.servers import object_store, pgbouncer
from tests.helpers.servers.mail_server import mail_server
from tests.helpers.servers.processes import free_port
from tests.helpers.servers.replica import create_replica, documented
from tests.helpers.servers.tcp_proxy import TcpProxy
from tests.settings import SECRET

SEAL_KEY = "as long as a key of thirty-two characters has to be"
WEB_HOSTS, WORKERS, POOL_SIZE = 2, 2, 10
#: nginx does not use a web host for five seconds after a failure.
FAIL_TIMEOUT_S = 5
TIMEOUT_S = 60
#: Processes are killed here, but not the machine, so files need not be flushed to the disk.
POSTGRES: dict[str, str | int] = {"fsync": "off", "max_connections": 60, "wal_keep_size": "256MB"}


class Cluster:
    """The running cluster.

    Attributes:
        address: the primary's address. Promotion moves it to the replica.
        clerk_port: the port of the stand-in for Clerk, or 0 if the cluster has none.
        mails: the messages that the mail server has received.
        replication: the connection between the replica and the primary.
    """

    def __init__(self, stack: ExitStack, folder: Path, https_port: int = 0, *, has_clerk: bool = False) -> None:
        self.folder, self.stack = folder, stack
        self.https_port, self.http_port = https_port or free_port(), free_port()
        self.clerk_port = free_port() if has_clerk else 0
        self.archive = _archive(folder)
        self.primary = self._start_primary()
        self.address = stack.enter_context(TcpProxy([socket_of(self.primary)]))
        self.role = pgbouncer.create_role(self.primary.url)
        self.store_url = stack.enter_context(object_store.object_store())
        object_store.bucket(self.store_url).create()
        self.environ = self._environment() | object_store.settings_of(self.store_url)
        if has_clerk:
            self.environ |= stand_in.site_settings(self.clerk_port, folder)
        self.manage("migrate", "--verbosity=0")
        self.manage("collectstatic", "--noinput", "--verbosity=0")
        self.replication, self.replica = self.add_replica(self.primary, folder / "replica")
        self.mail_port = int(self.environ["EMAIL_URL"].rpartition(":")[2])
        self.mails = stack.enter_context(mail_server(self.mail_port))
        self.web_ports = [free_port() for _ in range(WEB_HOSTS)]
        self._start_services()
        self.edge = Edge(folder, self.https_port)
        self.wait(lambda: all(self.is_ready(port) for port in self.web_ports), "no web host started")
        self.wait(lambda: self.edge.status("/builders/") == 200, "nginx did not start")

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.https_port}"

    def is_ready(self, port: int) -> bool:
        return get_status(port, "/readyz") == 200

    def manage(self, *arguments: str, code: Path = BASE_DIR, **environ: str) -> None:
        """Run a manage.py command of a release, with a direct connection."""
        command, settings = [sys.executable, "manage.py", *arguments], self.environ | self.direct() | environ
        subprocess.run(command, env=os.environ | settings, cwd=code, check=True, stderr=subprocess.DEVNULL)

    def direct(self) -> dict[str, str]:
        return {"DATABASE_URL": self._login(self.address.port)}

    def pooled(self) -> dict[str, str]:
        """Return the settings of a web host, which uses PgBouncer for the primary and the replica."""
        primary = self._login(self.pooler_port)
        replica = primary.removesuffix("app") + "app_replica"
        return {"DATABASE_URL": primary, "DATABASE_REPLICA_URL": replica, "DATABASE_POOLER": "transaction"}

    def execute(self, statement: str | bytes) -> None:
        """Run a statement on the primary."""
        self.primary.execute(statement)

    def count(self, query: str) -> int:
        with psycopg.connect(self.primary.url) as connection:
            [number] = connection.execute(query).fetchone() or (0,)
        return int(number)

    def object_names(self) -> set[str]:
        """Return the names of all files in the object store."""
        return {item.key for item in object_store.bucket(self.store_url).objects.all()}

    def last_replay(self) -> datetime:
        """Return the time of the last transaction that the replica has replayed."""
        with psycopg.connect(self.replica.url) as connection:
            [moment] = connection.execute("SELECT pg_last_xact_replay_timestamp()").fetchone() or ()
        assert isinstance(moment, datetime)
        return moment

    def add_replica(self, primary: Database, folder: Path) -> tuple[TcpProxy, Database]:
        """Copy the primary, and return the replica and its connection to the primary."""
        replication = self.stack.enter_context(TcpProxy([socket_of(primary)]))
        postgres = create_replica(primary.postgres, folder, replication.port, **POSTGRES)
        replica = Database(postgres)
        self.stack.callback(postgres.stop)
        return replication, replica

    def promote(self) -> None:
        """Make the replica the primary, and move the primary's address to it."""
        self.replica.execute(documented("pg_promote"))
        self.primary, self.replica = self.replica, self.primary
        self.address.redirect([socket_of(self.primary)])

    def supervise(self, seconds: float) -> None:
        """Restart processes that exit, for some time."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self.primary.restart_if_exited()
            self.replica.restart_if_exited()
            for service in self.services:
                service.restart_if_exited()
            time.sleep(SUPERVISE_EVERY_S)

    def wait(self, condition: Callable[[], object], message: str) -> None:
        ends_at = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < ends_at, f"{message}, see {self.folder}"
            self.supervise(0.2)

    def _start_primary(self) -> Database:
        command = f"test ! -f {self.archive}/%f && cp %p {self.archive}/%f"
        postgres = EmbeddedPostgres(self.folder / "primary", archive_mode="on", archive_command=command, **POSTGRES)
        primary = Database(postgres)
        self.stack.callback(postgres.stop)
        return primary

    def _start_services(self) -> None:
        write_certificate(self.folder)
        self.pooler_port = free_port()
        self.pooler = Service("pooler", [pgbouncer.binary(), self._write_pooler()], self.folder / "pooler.txt")
        self.web = [self._web_host(number, port) for number, port in enumerate(self.web_ports, 1)]
        self.workers = [self._worker(number) for number in range(1, WORKERS + 1)]
        path = write_configuration(self.folder, self.http_port, self.https_port, self.web_ports, self.clerk_port)
        command: list[str | Path] = [_nginx(), "-e", self.folder / "nginx-error.txt", "-p", self.folder, "-c", path]
        self.nginx = Service("nginx", command, self.folder / "nginx.txt")
        self.services = [self.pooler, *self.web, *self.workers, self.nginx, *self._stand_in()]
        for service in self.services:
            self.stack.callback(service.stop)

    def _web_host(self, number: int, port: int) -> Service:
        environ = self.environ | self.pooled() | {"BIND": f"127.0.0.1:{port}"}
        return Service(f"web host {number}", WEB, self.folder / f"web-{number}.txt", **environ)

    def _worker(self, number: int) -> Service:
        log = self.folder / f"worker-{number}.txt"
        return Service(f"worker {number}", WORKER, log, **self.environ | self.direct())

    def _stand_in(self) -> list[Service]:
        """Start the stand-in for Clerk, if the cluster has one."""
        if not self.clerk_port:
            return []
        environ = self.environ | stand_in.stand_in_settings(self.https_port, self.clerk_port, self.folder)
        return [Service("stand-in", [sys.executable, "-m", "local.clerk"], self.folder / "clerk.txt", **environ)]

    def _write_pooler(self) -> Path:
        path = self.folder / "pgbouncer.ini"
        primary = {"host": "127.0.0.1", "port": self.address.port, "dbname": "app", **self.role}
        replica = {"host": str(self.replica.postgres.sockets), "dbname": "app", **self.role}
        text = pgbouncer.configure({"app": primary, "app_replica": replica}, self.pooler_port, pool_size=POOL_SIZE)
        path.write_text(text)
        return path

    def _login(self, port: int) -> str:
        return f"postgresql://{self.role['user']}:{self.role['password']}@127.0.0.1:{port}/app"

    def _environment(self) -> dict[str, str]:
        """Return the settings of a deployment."""
        return {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOCAL_MODE": "off",
            "LIVE_SITE": "on",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "SITE_URL": self.url,
            "ALLOWED_HOSTS": HOST,
            "CLERK_WEBHOOK_SECRET": SECRET,
            "CLERK_PUBLISHABLE_KEY": "pk_live_" + base64.b64encode(f"clerk.{HOST}$".encode()).decode(),
            "CLERK_FRONTEND_API_URL": "",
            "CLERK_AUTHORIZED_PARTIES": self.url,
            "CLERK_JWT_KEY": tokens.public_pem(tokens.KEY),
            "RECONCILE_CRON": NEVER,
            "RECONCILE_FULL_CRON": NEVER,
            "TRUSTED_PROXY_COUNT": "1",
            "TRUSTED_PROXY_SSL_HEADER": "X-Forwarded-Proto: https",
            "AUDIT_SEAL_KEY": SEAL_KEY,
            "AUDIT_SEAL_CRON": "* * * * * */3",
            "EMAIL_URL": f"smtp://127.0.0.1:{free_port()}",
            "STATIC_ROOT": str(self.folder / "static"),
            "MEDIA_ROOT": str(self.folder),
            "WEB_CONCURRENCY": "1",
        }


@contextmanager
def running_cluster(folder: Path, https_port: int = 0, *, has_clerk: bool = False) -> Iterator[Cluster]:
    """Run a cluster until the block ends.

    Args:
        https_port: the port of the TLS edge, by default a free one.
        has_clerk: whether users sign in at the stand-in for Clerk, which is then part of the cluster.
    """
    with ExitStack() as stack:
        yield Cluster(stack, folder, https_port, has_clerk=has_clerk)


def socket_of(database: Database) -> Path:
    return database.postgres.sockets / ".s.PGSQL.5432"


def _archive(folder: Path) -> Path:
    """Create the folder of the archived write-ahead log, which PostgreSQL writes."""
    folder.chmod(0o755)
    archive = folder / "archive"
    archive.mkdir()
    os.chown(archive, server_user.server_uid(), -1)
    return archive


def _nginx() -> str:
    found = shutil.which("nginx", path=pgbouncer.SEARCH_PATH)
    if found is None:
        sys.exit("make cluster: nginx was not found; install it (Debian: apt-get install nginx-light).")
    return found
