"""pgBackRest backs up a server, restores it to a point in time, and notices damage.

The tests use the configuration in deploy/, the commands in docs/deploy/backup.md, and the commands of the systemd unit.
"""

import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.environment import BASE_DIR
from tests.deploy.pages import documented
from tests.helpers.servers.processes import free_port, wait_until
from tests.helpers.servers.proxies import binary

CONFIGURATION = BASE_DIR / "deploy" / "pgbackrest"
#: Debian 12 has pgBackRest 2.45, which supports servers up to version 15.
BINARIES = Path("/usr/lib/postgresql/15/bin")
UNIT = BASE_DIR / "deploy" / "systemd" / "buildappswith-backup.service"
SUNDAY, MONDAY = 7, 1


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

    def start_process(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a command as the server's user, in a process group of its own."""
        drop = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return subprocess.Popen(
            [*(drop if os.geteuid() == 0 else []), *command],
            cwd=self.folder,
            env={"PATH": path, "PGBACKREST_CONFIG": str(self.folder / "pgbackrest.conf")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str | Path, is_checked: bool = True) -> tuple[int, str]:
        """Return the exit code and the output of a command."""
        process = self.start_process(*command)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0 or not is_checked, output
        return process.returncode, output

    def documented(self, text: str, *, is_checked: bool = True, **changed: str) -> tuple[int, str]:
        """Run the command in the page that contains a text, with other values of its options."""
        words = shlex.split(documented("backup", text).removeprefix("runuser -u postgres -- "))
        assert words[0] == "pgbackrest"
        options = {f"--{name}": value for name, value in changed.items()}
        words = [f"{name}={options[name]}" if (name := word.partition("=")[0]) in options else word for word in words]
        return self.run(*words, is_checked=is_checked)

    def nightly(self, weekday: int) -> int:
        """Run the commands of the systemd unit on a day of the week. Return the first exit code that is not 0."""
        date = self.folder / "bin" / "date"
        date.parent.mkdir(exist_ok=True)
        date.write_text(f"#!/bin/sh\necho {weekday}\n")
        date.chmod(0o755)
        for line in re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE):
            exit_code, _ = self.run(*shlex.split(line.replace("%%", "%")), is_checked=False)
            if exit_code:
                return exit_code
        return 0

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
    server.documented("stanza-create")
    server.documented("buildappswith check")
    server.sql("CREATE TABLE events (number int)")
    server.sql("INSERT INTO events VALUES (1)")
    server.documented("--type=full")
    time.sleep(1)  # pgBackRest compares the times of backups and targets in whole seconds
    yield server
    server.stop()


def test_restore_over_a_running_database_is_refused(server: Server) -> None:
    exit_code, output = server.documented("--delta", is_checked=False)
    assert exit_code != 0
    assert "unable to restore while PostgreSQL is running" in output


def test_database_is_restored_to_a_point_in_time(server: Server) -> None:
    server.sql("INSERT INTO events VALUES (2)")
    [(at,)] = server.sql("SELECT now()::text")
    time.sleep(0.01)  # the next commit has a later time
    server.sql("DELETE FROM events")  # the mistake
    server.sql("SELECT pg_switch_wal()")
    server.documented("buildappswith check")
    server.stop()
    server.documented("--delta", target=str(at))
    server.start()
    wait_until(lambda: server.sql("SELECT pg_is_in_recovery()") == [(False,)], "The server was not promoted")
    assert server.sql("SELECT number FROM events ORDER BY number") == [(1,), (2,)]


def test_backups_are_made_on_every_day_of_the_week(server: Server) -> None:
    assert server.nightly(SUNDAY) == server.nightly(MONDAY) == 0
    _, output = server.documented("info")
    assert re.findall(r"(full|diff) backup: ", output)[-2:] == ["full", "diff"]
    _, output = server.documented("verbose verify")
    assert "status: ok" in output
    assert output.count("status: valid") == output.count("backup: ") > 0


def test_backup_that_was_cut_off_is_noticed_and_the_next_one_succeeds(server: Server) -> None:
    def labels() -> list[str]:
        return re.findall(r"backup: (\S+)", server.documented("info")[1])

    complete, folder = labels(), server.repository / "backup" / "buildappswith"
    before = {path.name for path in folder.iterdir()}
    process = server.start_process(*shlex.split(documented("backup", "--type=full").partition("-- ")[2]))
    wait_until(lambda: {path.name for path in folder.iterdir()} - before, "the backup did not start")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode != 0  # so the service fails
    assert labels() == complete
    assert server.nightly(SUNDAY) == 0
    assert len(labels()) == len(complete) + 1


def test_damaged_backup_is_noticed(server: Server) -> None:
    files = [path for path in (server.repository / "backup").rglob("*.zst") if path.stat().st_size > 1000]
    largest = max(files, key=lambda path: path.stat().st_size)
    kept = largest.read_bytes()
    try:
        largest.write_bytes(kept[: len(kept) // 2])
        _, output = server.documented("verbose verify")
        assert "status: error" in output
        assert server.nightly(SUNDAY) != 0
    finally:
        largest.write_bytes(kept)
        shutil.chown(largest, server.user.pw_uid, server.user.pw_gid)
