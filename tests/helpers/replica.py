"""A streaming replica of an embedded PostgreSQL."""

import os
import subprocess
from pathlib import Path

import psycopg

from local.stack import server_user
from local.stack.folders import make_folder
from local.stack.postgres import EmbeddedPostgres, installation
from tests.helpers.processes import wait_until

ROLE, PASSWORD = "replicator", "password-of-the-replicator"


def create_replica(primary: EmbeddedPostgres, folder: Path, port: int, **settings: str | int) -> EmbeddedPostgres:
    """Copy a running server, and return a replica that is not started yet.

    Args:
        port: a port of this machine that is forwarded to the primary's socket.
        settings: PostgreSQL settings of the replica.
    """
    _create_role(primary)
    base_backup(folder, f"host=127.0.0.1 port={port} user={ROLE} password={PASSWORD}", "--write-recovery-conf")
    return EmbeddedPostgres(folder, **settings)


def base_backup(folder: Path, connection: str, *options: str) -> None:
    """Copy a running server's data to a new folder for EmbeddedPostgres."""
    data = make_folder(folder) / "postgres"
    program = str(installation() / "bin" / "pg_basebackup")
    command = [program, "-d", connection, "-D", str(data), "--checkpoint=fast", *options]
    subprocess.run(command, check=True, capture_output=True)
    for path in (data, *data.rglob("*")):
        os.chown(path, server_user.server_uid(), -1, follow_symlinks=False)


def wait_until_replayed(primary_url: str, replica_url: str) -> None:
    """Wait until a replica has replayed everything that the primary has written."""
    with (
        psycopg.connect(primary_url, autocommit=True) as primary,
        psycopg.connect(replica_url, autocommit=True) as replica,
    ):
        [position] = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or ()
        has_replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: replica.execute(has_replayed, [position]).fetchone() == (True,), "the replica is behind")


def _create_role(primary: EmbeddedPostgres) -> None:
    with psycopg.connect(primary.url, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone() is None:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN REPLICATION PASSWORD '{PASSWORD}'")
