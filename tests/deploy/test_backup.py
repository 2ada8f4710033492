"""pgBackRest with the configuration in deploy/ backs up a server, restores it to a point in time, and notices damage."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.environment import BASE_DIR
from tests.helpers.servers.processes import free_port, wait_until
from tests.helpers.servers.proxies import binary

CONFIGURATION = BASE_DIR / "deploy" / "pgbackrest"
#: Debian 12 has pgBackRest 2.45, which supports servers up to version 15.
BINARIES = Path("/usr/lib/postgresql/15/bin")


class Server:
    """A PostgreSQL server with the archive settings from deploy/, run by an unprivileged user."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.repository = folder, folder / "data", folder / "repository"
        self.port = free_port()
        self.url = f"postgresql://backup@127.0.0.1:{self.port}/postgres"
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        for path in (self.repository, folder / "log", folder / "lock", folder / "spool"):
            path.mkdir()
        self._write_configuration()
        for path in (folder, *folder.iterdir()):
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _write_configuration(self) -> None:
        text = (CONFIGURATION / "pgbackrest.conf").read_text()
        text = re.sub(r"repo1-path=.*", f"repo1-path={self.repository}", text)
        text = re.sub(
            r"pg1-path=.*",
            f"pg1-path={self.data}\npg1-port={self.port}\npg1-socket-path={self.folder}\npg1-user=backup",
            text,
        )
        text = text.replace("repo1-cipher-pass=", "repo1-cipher-pass=only-for-tests")
        paths = f"log-path={self.folder}/log\nlock-path={self.folder}/lock\nspool-path={self.folder}/spool\n"
        (self.folder / "pgbackrest.conf").write_text(text.replace("[global]\n", f"[global]\n{paths}"))

    def run(self, *command: str | Path, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        drop = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        prefix = drop if os.geteuid() == 0 else []
        environment = {"PATH": os.environ["PATH"], "PGBACKREST_CONFIG": str(self.folder / "pgbackrest.conf")}
        done = subprocess.run(
            [*prefix, *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0 or not is_checked, done.stdout + done.stderr
        return done

    def pgbackrest(self, *arguments: str, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(binary("pgbackrest"), "--stanza=buildappswith", *arguments, is_checked=is_checked)

    def create(self) -> None:
        self.run(
            BINARIES / "initdb", "-D", self.data, "--username=backup", "--auth=trust", "--no-sync", "--encoding=UTF8"
        )
        settings = (CONFIGURATION / "postgresql.conf").read_text()
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"{settings}\nport = {self.port}\nunix_socket_directories = '{self.folder}'\n")

    def start(self) -> None:
        self.run(BINARIES / "pg_ctl", "-D", self.data, "-l", self.folder / "log" / "server.txt", "-w", "start")

    def stop(self) -> None:
        self.run(BINARIES / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop", is_checked=False)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    binary("pgbackrest")
    if not BINARIES.is_dir():
        pytest.skip("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15).")
    # pytest's folders belong to the user of the tests, and the server has another user.
    with tempfile.TemporaryDirectory(prefix="backup-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder))
        yield from _run(server)


def _run(server: Server) -> Iterator[Server]:
    server.create()
    server.start()
    server.pgbackrest("stanza-create")
    server.pgbackrest("check")
    server.sql("CREATE TABLE events (number int)")
    server.sql("INSERT INTO events VALUES (1)")
    server.pgbackrest("--type=full", "backup")
    time.sleep(1)  # pgBackRest compares the times of backups and targets in whole seconds
    yield server
    server.stop()


def test_restore_over_a_running_database_is_refused(server: Server) -> None:
    done = server.pgbackrest("--delta", "restore", is_checked=False)
    assert done.returncode != 0
    assert "unable to restore while PostgreSQL is running" in done.stdout + done.stderr


def test_database_is_restored_to_a_point_in_time(server: Server) -> None:
    server.sql("INSERT INTO events VALUES (2)")
    [(at,)] = server.sql("SELECT now()::text")
    time.sleep(0.01)  # the next commit has a later time
    server.sql("DELETE FROM events")  # the mistake
    server.sql("SELECT pg_switch_wal()")
    server.pgbackrest("check")
    server.stop()
    server.pgbackrest("--delta", "--type=time", f"--target={at}", "--target-action=promote", "restore")
    server.start()
    wait_until(lambda: server.sql("SELECT pg_is_in_recovery()") == [(False,)], "The server was not promoted")
    assert server.sql("SELECT number FROM events ORDER BY number") == [(1,), (2,)]


def test_damaged_backup_is_noticed(server: Server) -> None:
    assert "status: ok" in server.pgbackrest("info").stdout
    files = [path for path in (server.repository / "backup").rglob("*.zst") if path.stat().st_size > 1000]
    largest = max(files, key=lambda path: path.stat().st_size)
    kept = largest.read_bytes()
    try:
        largest.write_bytes(kept[: len(kept) // 2])
        done = server.pgbackrest("verify", "--output=text", "--log-level-console=info", is_checked=False)
        assert re.search(r"checksum invalid: [1-9]|size invalid: [1-9]|error", done.stdout), done.stdout + done.stderr
    finally:
        largest.write_bytes(kept)
        shutil.chown(largest, server.user.pw_uid, server.user.pw_gid)
