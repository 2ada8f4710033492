"""Everything that the pages in docs/deploy name exists, and their commands run as far as a test can run them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from config.environment import BASE_DIR
from tests.deploy.pages import PAGES, blocks, commands
from tests.helpers.servers.proxies import SEARCH_PATH

UNITS = {path.stem for path in (BASE_DIR / "deploy" / "systemd").iterdir()}
SERVICES = set(yaml.safe_load((BASE_DIR / "deploy" / "compose.yaml").read_text())["services"])
SETTINGS = {
    line.partition("=")[0].lstrip("#") for line in (BASE_DIR / ".env.example").read_text().splitlines() if "=" in line
}
#: Variables of other programs.
OTHER_VARIABLES = {
    "ARGS",
    "DATA_DIR",
    "PORT",
    "SOURCE_DATE_EPOCH",
    "COMPOSE_PROFILES",
    "WEB_HOSTS",
    "EnvironmentFile",
    "BASE",
    "COMPOSE",  # COMPOSE_FILE
}
#: Programs in the pages that this machine may not have.
OTHER_PROGRAMS = {
    "cd",
    "until",
    "for",
    "docker",
    "kubectl",
    "adduser",
    "certbot",
    "systemd-run",
    "buildah",
    "rclone",
    "pgbackrest",
    "pg_basebackup",
    "make",
}


def program(words: list[str]) -> str:
    """Return the program of a command, without variables before it."""
    return next(word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word, re.DOTALL))


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_shell_accepts_the_commands(page: Path) -> None:
    for text in blocks(page, "sh"):
        done = subprocess.run(["/bin/sh", "-n"], input=text, capture_output=True, text=True, check=False, timeout=10)
        assert done.returncode == 0, done.stderr


def test_programs_exist(page: Path) -> None:
    for words in commands(page):
        name = program(words) if any(not re.fullmatch(r"[A-Z_]+=.*", word) for word in words) else ""
        if name and not name.startswith((".venv/", "/opt/buildappswith/")):
            assert name in OTHER_PROGRAMS or shutil.which(name, path=f"{SEARCH_PATH}:{Path(sys.executable).parent}"), (
                name
            )


def test_files_exist(page: Path) -> None:
    for name in re.findall(r"(?<![\w/.])((?:deploy|requirements|config)/[\w./*-]*\w)", page.read_text()):
        is_written = name.startswith(("deploy/.env", "deploy/secrets"))
        assert is_written or list(BASE_DIR.glob(name)) or (page.parent / name).exists(), name


def test_settings_exist(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"(?<![\w{$-])([A-Z][A-Z0-9_]{3,})=", text) + re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", text)
    for name in named:
        assert name.removesuffix("_FILE") in SETTINGS | OTHER_VARIABLES or name.endswith("_"), name


def test_units_exist(page: Path) -> None:
    for name in re.findall(r"(?:systemctl|systemd-analyze|journalctl -u)[^\n`]*", page.read_text()):
        for unit in re.findall(r"buildappswith-[a-z]+", name):
            assert unit in UNITS, unit


def test_services_of_compose_exist(page: Path) -> None:
    for words in commands(page):
        if words[:2] == ["docker", "compose"]:
            assert words[2:4] == ["-f", "deploy/compose.yaml"]
            command, *rest = words[4:]
            if command in ("run", "exec", "logs"):
                assert next(word for word in rest if not word.startswith("-")) in SERVICES, words


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (BASE_DIR / "docs" / "index.md").read_text()
    overview = (BASE_DIR / "docs" / "deploy" / "README.md").read_text()
    for page in (BASE_DIR / "docs" / "deploy").glob("*.md"):
        assert f"deploy/{page.stem}\n" in index
        assert page.stem == "README" or f"({page.name})" in overview


def test_static_files_are_collected_without_settings(tmp_path: Path) -> None:
    [line] = {
        line.strip()
        for page in PAGES
        for text in blocks(page, "sh")
        for line in text.splitlines()
        if "collectstatic" in line
    }
    line = line.replace(".venv/bin/python", shlex.quote(sys.executable))
    environment = {"PATH": os.environ["PATH"], "STATIC_ROOT": str(tmp_path)}
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "staticfiles.json").exists()


def test_pooler_reads_passwords_from_a_folder_that_survives_a_restart() -> None:
    folder = BASE_DIR / "deploy" / "pgbouncer"
    [path] = re.findall(r"^auth_file = (.*)$", (folder / "pgbouncer.ini").read_text(), re.MULTILINE)
    assert path.startswith("/etc/")
    assert path in (BASE_DIR / "docs" / "deploy" / "pooler.md").read_text()


@pytest.mark.parametrize("name", ("DATABASE_PASSWORD", "DATABASE_PASSWORD_FILE"))
def test_container_of_the_pooler_writes_only_to_its_temporary_folder(tmp_path: Path, name: str) -> None:
    folder = BASE_DIR / "deploy" / "pgbouncer"
    (tmp_path / "pgbouncer").write_text('#!/bin/sh\ncat "$1"\n')
    (tmp_path / "pgbouncer").chmod(0o755)
    script = (folder / "start.sh").read_text().replace("/run/pgbouncer", str(tmp_path))
    script = script.replace("/etc/pgbouncer/pgbouncer.ini", str(folder / "pgbouncer.ini"))
    (tmp_path / "password").write_text("p%s-_9\n")
    value = str(tmp_path / "password") if name.endswith("_FILE") else "p%s-_9"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DATABASE_PASSWORD": "", name: value}
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert f"\nauth_file = {tmp_path}/userlist.txt\n" in done.stdout
    assert (tmp_path / "userlist.txt").read_text() == '"buildappswith" "p%s-_9"\n'


def test_containers_with_the_database_password_are_replaced_together() -> None:
    """Compose replaces a container if its environment has changed."""
    services = yaml.safe_load((BASE_DIR / "deploy" / "compose.yaml").read_text())["services"]
    for name in ("web", "worker", "migrate"):
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]
    for name in ("pooler", "database"):
        assert "${DATABASE_PASSWORD:-}" in services[name]["environment"].values()


def test_database_password_is_rotated_as_described(database_url: str) -> None:
    create, lock = blocks(BASE_DIR / "docs" / "deploy" / "secrets.md", "sql")
    names = ("buildappswith_b", "buildappswith")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE buildappswith LOGIN PASSWORD 'old-password'")
        try:
            owner.execute(create.encode())
            second = make_conninfo(database_url, user="buildappswith_b", password="new-password")
            owner.execute(lock.encode())
            with psycopg.connect(second) as connection:
                assert connection.execute("SELECT current_user").fetchone() == ("buildappswith",)
                assert connection.execute("SHOW lock_timeout").fetchone() == ("3s",)
                assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(make_conninfo(database_url, user="buildappswith", password="old-password"))
        finally:
            for name in names:
                owner.execute(f"DROP ROLE IF EXISTS {name}".encode())
