"""`deploy/write_environment.py` writes a file that every reader of environment files understands."""

import os
import re
import runpy
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import environ
import pytest

from config.environment import BASE_DIR
from tests.config.test_startup import ENVIRONMENT

SCRIPT = BASE_DIR / "deploy" / "write_environment.py"
SCRIPT_NAMES = runpy.run_path(str(SCRIPT))
CLERK = {name: ENVIRONMENT[name] for name in SCRIPT_NAMES["FROM_CLERK"]}
URL = "https://profiles.example.org"


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script without installed packages and without settings."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=30
    )


def parse(path: Path) -> dict[str, str]:
    """Read the file as django-environ does."""

    class Reader(environ.Env):
        ENVIRON: dict[str, str] = {}

    Reader.read_env(path)
    return Reader.ENVIRON


def test_site_starts_with_the_written_file(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    done = run(URL, str(path), **CLERK)
    assert done.returncode == 0, done.stderr
    assert "Enter the values" not in done.stdout
    assert f"{URL}/api/webhooks/clerk" in done.stdout
    values = parse(path) | {"DATABASE_URL": "postgresql://app@/app?host=/nowhere", "STATIC_ROOT": str(tmp_path)}
    values |= {"MEDIA_ROOT": str(tmp_path), "LOG_FORMAT": "console", "LOG_LEVEL": "ERROR"}
    started = subprocess.run(
        [
            sys.executable,
            "-c",
            "import config.wsgi; from django.conf import settings as s; print(s.ALLOWED_HOSTS, s.SITE_URL)",
        ],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"]} | values,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 0, started.stderr
    assert started.stdout == f"['profiles.example.org'] {URL}\n"


def test_secrets_are_fresh_and_only_the_owner_can_read_them(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(URL, str(first)).returncode == run(URL, str(second)).returncode == 0
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    values, others = parse(first), parse(second)
    for name in SCRIPT_NAMES["GENERATED"]:
        assert len(values[name]) >= 40
        assert values[name] != others[name]
    assert all(secret not in run(URL, str(first)).stdout for secret in values.values() if len(secret) > 39)


def test_missing_values_from_clerk_are_named(tmp_path: Path) -> None:
    done = run(URL, str(tmp_path / "environment"), CLERK_SECRET_KEY=CLERK["CLERK_SECRET_KEY"])
    assert "Enter the values of CLERK_WEBHOOK_SECRET, CLERK_PUBLISHABLE_KEY in the file" in done.stdout


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text("SECRET_KEY=mine\n")
    done = run(URL, str(path))
    assert done.returncode == 1
    assert done.stderr == f"{path} was not written: it already exists. Choose another file.\n"
    assert path.read_text() == "SECRET_KEY=mine\n"


@pytest.mark.parametrize(
    "url", ("profiles.example.com", "http://a.example", "https://127.0.0.1", "https://a.example/x")
)
def test_address_that_is_not_an_origin_is_rejected(tmp_path: Path, url: str) -> None:
    done = run(url, str(tmp_path / "environment"))
    assert done.returncode == 2
    assert "is not an origin such as" in done.stderr
    assert not (tmp_path / "environment").exists()


def test_file_has_every_setting_and_comment_of_the_example(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    run(URL, str(path))
    example = (BASE_DIR / ".env.example").read_text().partition(SCRIPT_NAMES["LOCAL_SECTION"])[0]
    assert set(re.findall(r"^([A-Z_0-9]+)=", example, re.MULTILINE)) <= set(parse(path))
    comments = [line for line in example.partition("\n\n")[2].splitlines() if line.startswith("#")]
    assert [line for line in path.read_text().splitlines()[1:] if line.startswith("#")] == comments
    assert "example.com" not in re.sub(r"^#.*", "", path.read_text(), flags=re.MULTILINE)


def test_shell_and_django_environ_read_the_same_values(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    run(URL, str(path), "--object-store", **CLERK)
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    in_shell = dict(word.split("=", 1) for line in lines for word in shlex.split(line))
    assert in_shell == parse(path)
    assert in_shell["S3_BUCKET"] == "media"
