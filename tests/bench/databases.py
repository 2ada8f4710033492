"""Databases for benchmarks, in one embedded PostgreSQL."""

import os
import subprocess
import sys

import psycopg


def migrate(url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, check=True)


def create(url: str, name: str) -> str:
    """Create an empty database on the same server as `url`, and return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    created = url.replace("/app?", f"/{name}?")
    migrate(created)
    return created
