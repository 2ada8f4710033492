"""A PgBouncer in transaction mode in front of the test database."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from core.db.timeouts import TIMEOUTS_MS
from tests.helpers.servers.processes import TIMEOUT_S, free_port, wait_until
from tests.plugin import STARTED_HERE

#: Debian installs PgBouncer in a folder that is only in root's PATH.
SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
CONFIGURATION = """
[databases]
{databases}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
query_wait_timeout = 3
{settings}
"""


@contextmanager
def pgbouncer(database_url: str, *, pool_size: int = 3, **settings: str) -> Iterator[str]:
    """Run PgBouncer for the database until the block ends, and yield the URL of the database behind PgBouncer.

    Args:
        pool_size: number of server connections. If there are more clients, they share sessions.
        settings: additional PgBouncer settings.
    """
    target = conninfo_to_dict(database_url)
    if STARTED_HERE in os.environ:  # the embedded server accepts only the user who runs the tests
        target |= create_role(database_url)
    port = free_port()
    configuration = configure({str(target["dbname"]): target}, port, pool_size=pool_size, **settings)
    url = f"postgresql://{target['user']}@127.0.0.1:{port}/{target['dbname']}"
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder, _process(Path(folder), configuration) as running:
        wait_until(lambda: running.poll() is not None or _accepts(url), "PgBouncer did not start")
        assert running.poll() is None, Path(folder, "log.txt").read_text()
        yield url


def configure(targets: Mapping[str, Mapping[str, object]], port: int, *, pool_size: int, **settings: str) -> str:
    """Return a PgBouncer configuration.

    Args:
        targets: psycopg's connection parameters of each database, by the name that clients use.
        port: the port on which PgBouncer listens.
    """
    if os.geteuid() == 0:  # PgBouncer refuses to run as root, and drops root privileges after reading its configuration
        settings["user"] = pwd.getpwnam("nobody").pw_name
    return CONFIGURATION.format(
        databases="\n".join(
            f"{name} = " + " ".join(f"{key}='{value}'" for key, value in target.items())
            for name, target in targets.items()
        ),
        port=port,
        pool_size=pool_size,
        settings="\n".join(f"{name} = {value}" for name, value in settings.items()),
    )


def create_role(database_url: str) -> dict[str, str]:
    """Create the role that PgBouncer uses, and return its name and password as connection parameters.

    The role has the timeouts that `migrate` gives to the role of a deployment.
    """
    name, password = "pgbouncer", secrets.token_hex()
    with psycopg.connect(database_url, autocommit=True) as owner:
        if owner.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
            owner.execute(f"CREATE ROLE {name} SUPERUSER LOGIN")
        owner.execute(f"ALTER ROLE {name} PASSWORD '{password}'")
        for timeout, value in TIMEOUTS_MS.items():
            owner.execute(f"ALTER ROLE {name} SET {timeout} = {value}")
    return {"user": name, "password": password}


@contextmanager
def _process(folder: Path, configuration: str) -> Iterator[subprocess.Popen[bytes]]:
    path = folder / "pgbouncer.ini"
    path.write_text(configuration)
    with (folder / "log.txt").open("wb") as log:
        running = subprocess.Popen([binary(), path], stdout=log, stderr=log)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(TIMEOUT_S)


def binary() -> str:
    found = shutil.which("pgbouncer", path=SEARCH_PATH)
    if found is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer).")
    return found


def version() -> tuple[int, ...]:
    """Return the version of the installed PgBouncer, such as (1, 18, 0)."""
    output = subprocess.run([binary(), "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(number) for number in output.split()[1].split("."))


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
