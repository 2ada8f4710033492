"""Dumps of the database and copies of the images, with the commands in docs/deploy/backup.md."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pytest_django import Settings

from audit.sealing import seals
from config.environment import BASE_DIR
from local.stack.postgres import installation
from tests.deploy.pages import documented
from tests.helpers.servers.proxies import binary
from tests.helpers.webhooks import WebhookClient, person

SEAL_KEY = "as long as a key of thirty-two characters has to be"
TABLES = ("accounts_user", "profiles_builderprofile", "webhooks_webhookevent", "audit_auditlog", "audit_auditseal")
COPY = "restored_copy"
Done = subprocess.CompletedProcess[bytes]


class Databases:
    """The databases of the test server, and the programs of PostgreSQL with the options in the page."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self.url, self.name, self.user = url, str(parts["dbname"]), str(parts["user"])
        keys = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
        self._environ = os.environ | {keys[name]: str(value) for name, value in parts.items() if name in keys}

    def run(self, line: str, database: str, data: bytes = b"") -> Done:
        """Run a command of the page for another role and another database, and with another file."""
        program, *words = _program(line)
        words = [self.user if words[number - 1] == "--username" else word for number, word in enumerate(words)]
        command = [_binary(program), *(word.replace("buildappswith", database) for word in words)]
        return subprocess.run(command, env=self._environ, input=data, capture_output=True, check=False, timeout=120)

    def url_of(self, database: str) -> str:
        return make_conninfo(self.url, dbname=database)

    def counts(self, database: str) -> dict[str, int]:
        with psycopg.connect(self.url_of(database)) as session:
            rows = [session.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() for table in TABLES]
        return {table: row[0] for table, row in zip(TABLES, rows, strict=True) if row}


def _program(line: str) -> list[str]:
    """Return the words of a command without the wrapper that runs it, and without its files."""
    words = shlex.split(line.partition(" > ")[0].partition(" < ")[0])
    start = words.index("database") + 1 if words[0] == "docker" else words.index("--") + 1
    return [word for word in words[start:] if not word.endswith(".dump")]


def _binary(name: str) -> str:
    """Return the path of a program of PostgreSQL. The wheel has no createdb."""
    path = f"{installation() / 'bin'}:{os.environ['PATH']}:/usr/lib/postgresql/15/bin"
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install postgresql-15).")
    return found


@pytest.fixture
def databases(database_url: str, settings: Settings) -> Databases:
    settings.AUDIT_SEAL_KEYS, settings.AUDIT_CHECKPOINTS = [SEAL_KEY], []
    for name in ("Olive", "Rosa"):
        WebhookClient().created(person(first_name=name, roles=["BUILDER"]))
    assert seals.seal()
    return Databases(database_url)


@pytest.fixture
def dump(databases: Databases) -> bytes:
    done = databases.run(documented("backup", "pg_dump"), databases.name)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def copy(databases: Databases) -> Iterator[str]:
    """A new, empty database next to a damaged one."""
    with psycopg.connect(databases.url, autocommit=True) as owner:
        for name in (COPY, "damaged"):
            owner.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        owner.execute(f"CREATE DATABASE {COPY}".encode())
        for text in ("ALTER DATABASE", "createdb"):
            done = databases.run(documented("backup", text), COPY)
            assert done.returncode == 0, done.stderr
        yield COPY
        for name in (COPY, "damaged"):
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


RESTORES = (documented("backup", "runuser -u buildappswith"), documented("backup", "-T database pg_restore"))
transactional = pytest.mark.django_db(transaction=True)


@transactional
@pytest.mark.parametrize("line", RESTORES, ids=("host", "container"))
def test_dump_is_restored_and_the_audit_log_matches_its_seals(
    databases: Databases, dump: bytes, copy: str, line: str
) -> None:
    done = databases.run(line, copy, dump)
    assert done.returncode == 0, done.stderr
    assert databases.counts(copy) == databases.counts(databases.name)
    environ = os.environ | {"DATABASE_URL": _url(databases, copy), "AUDIT_SEAL_KEY": SEAL_KEY}
    environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    for words in (["migrate", "--check"], ["check", "--database", "default"], ["audit_verify"]):
        command = [sys.executable, "manage.py", *words]
        checked = subprocess.run(command, cwd=BASE_DIR, env=environ, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    with psycopg.connect(databases.url_of(copy)) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("DELETE FROM audit_auditlog")


@transactional
@pytest.mark.parametrize("line", RESTORES, ids=("host", "container"))
def test_restore_over_a_live_database_is_refused(databases: Databases, dump: bytes, line: str) -> None:
    before = databases.counts(databases.name)
    done = databases.run(line, databases.name, dump)
    assert done.returncode != 0
    assert b"already exists" in done.stderr
    assert databases.counts(databases.name) == before


@transactional
@pytest.mark.parametrize("line", RESTORES, ids=("host", "container"))
def test_dump_that_was_cut_off_restores_nothing(databases: Databases, dump: bytes, copy: str, line: str) -> None:
    done = databases.run(line, copy, dump[: len(dump) * 2 // 3])
    assert done.returncode != 0
    with psycopg.connect(databases.url_of(copy)) as session:
        assert session.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def _url(databases: Databases, database: str) -> str:
    assert databases.url.count(f"/{databases.name}") == 1
    return databases.url.replace(f"/{databases.name}", f"/{database}")


# --- Images ---


def test_timer_runs_the_commands_of_the_page() -> None:
    unit = (BASE_DIR / "deploy" / "systemd" / "buildappswith-images.service").read_text()
    found = re.findall(r"^ExecStart=/usr/bin/(rclone .*)$", unit, re.MULTILINE)
    assert found == [documented("backup", f"rclone {name}") for name in ("mkdir", "sync", "delete")]


def test_backup_of_images_succeeds_before_an_image_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    run = _rclone(tmp_path)
    for name in ("mkdir", "sync", "delete"):
        run(f"rclone {name}")


def test_deleted_images_are_kept_and_restored(tmp_path: Path) -> None:
    media, store = tmp_path / "media", tmp_path / "store"
    (media / "portraits").mkdir(parents=True)
    run = _rclone(tmp_path)
    for name in ("kept", "deleted"):
        (media / "portraits" / f"{name}.webp").write_bytes(name.encode())
    run("rclone sync")
    (media / "portraits" / "deleted.webp").unlink()
    run("rclone sync")
    run("rclone delete")  # it is not old enough
    assert (store / "buildappswith-media-deleted" / "portraits" / "deleted.webp").read_bytes() == b"deleted"
    (media / "portraits" / "kept.webp").unlink()
    run("rclone copy")
    assert [path.name for path in (media / "portraits").iterdir()] == ["kept.webp"]


def _rclone(folder: Path) -> Callable[[str], None]:
    """Return a function that runs the command of the page that contains a text, from `media` to `store` in the folder."""
    store = folder / "store"
    store.mkdir()
    environ = os.environ | {"RCLONE_CONFIG_BACKUP_TYPE": "alias", "RCLONE_CONFIG_BACKUP_REMOTE": str(store)}
    environ |= {"RCLONE_CONFIG": str(folder / "rclone.conf")}

    def run(text: str) -> None:
        line = documented("backup", text).replace("/var/lib/buildappswith/media", str(folder / "media"))
        command = [binary("rclone"), *shlex.split(line)[1:]]
        subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60)

    return run
