"""A streaming replica of an embedded PostgreSQL."""

import os
import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from config.environment import BASE_DIR
from local.stack import server_user
from local.stack.folders import make_folder
from local.stack.postgres import EmbeddedPostgres, installation
from tests.helpers.servers.processes import wait_until

PAGE = BASE_DIR / "docs" / "deploy" / "replica.md"
#: As in the page.
PASSWORD = "password-of-the-replicator"
#: Options of the command in the page that only a replica needs. A backup is copied without them.
COPY_OPTIONS = ("--slot", "--write-recovery-conf")


def create_replica(primary: EmbeddedPostgres, folder: Path, port: int, **settings: str | int) -> EmbeddedPostgres:
    """Copy a running server, and return a replica that is not started yet.

    Args:
        port: a port of this machine that is forwarded to the primary's socket.
        settings: PostgreSQL settings of the replica.
    """
    with psycopg.connect(primary.url, autocommit=True) as connection, suppress(psycopg.errors.DuplicateObject):
        connection.execute(documented("CREATE ROLE"))  # A promoted replica already has the role, but no slot.
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute(documented("pg_create_physical_replication_slot"))
    base_backup(folder, port, "--slot=replica_1", "--write-recovery-conf")
    return EmbeddedPostgres(folder, **settings)


def base_backup(folder: Path, port: int, *options: str) -> None:
    """Copy a running server's data to a new folder for EmbeddedPostgres, with the command in docs/deploy/replica.md."""
    data = make_folder(folder) / "postgres"
    [line] = re.findall(r"^ *runuser -u postgres -- pg_basebackup (.*)$", PAGE.read_text(), re.MULTILINE)
    words = dict(word.partition("=")[::2] for word in shlex.split(line) if word.partition("=")[0] not in COPY_OPTIONS)
    words["--dbname"] = make_conninfo(words["--dbname"], host="127.0.0.1", port=port)
    words["--pgdata"] = str(data)
    arguments = [f"{name}={value}" if value else name for name, value in words.items()]
    command = [str(installation() / "bin" / "pg_basebackup"), *arguments]
    environ = os.environ | {"PGPASSWORD": PASSWORD}
    subprocess.run([*command, *options], check=True, capture_output=True, env=environ)
    for path in (data, *data.rglob("*")):
        os.chown(path, server_user.server_uid(), -1, follow_symlinks=False)


def documented(text: str) -> bytes:
    """Return the only SQL statement in docs/deploy/replica.md that contains a text. It can occur more than once."""
    blocks: list[str] = re.findall(r"^ *```sql\n(.*?)^ *```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    [statement] = {each.strip() for block in blocks for each in block.split(";") if text in each}
    return statement.encode()


def wait_until_replayed(primary_url: str, replica_url: str) -> None:
    """Wait until a replica has replayed everything that the primary has written."""
    with (
        psycopg.connect(primary_url, autocommit=True) as primary,
        psycopg.connect(replica_url, autocommit=True) as replica,
    ):
        [position] = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or ()
        has_replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: replica.execute(has_replayed, [position]).fetchone() == (True,), "the replica is behind")
