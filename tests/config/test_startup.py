"""Web servers and workers do not start with dangerous, malformed or missing settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from tests.helpers.servers.processes import free_port

KEY = "a1B2c3D4" * 7
#: Settings for a valid deployment whose database does not exist.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DATABASE_URL": "postgresql://app@/app?host=/nowhere",
    "LOCAL_MODE": "0",
    "LIVE_SITE": "on",
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "profiles.example.com",
    "CLERK_WEBHOOK_SECRET": "whsec_" + "YWJj" * 8,
    "CLERK_PUBLISHABLE_KEY": "pk_live_Y2xlcmsuY2xlcmsuZGV2JA",
    "CLERK_SECRET_KEY": f"sk_live_{KEY}",
    "CLERK_FRONTEND_API_URL": "",
    "CLERK_AUTHORIZED_PARTIES": "https://profiles.example.com",
    "TRUSTED_PROXY_COUNT": "1",
    "TRUSTED_PROXY_SSL_HEADER": "X-Forwarded-Proto: https",
    "EMAIL_URL": "smtp://localhost:25",
    "ALERT_URLS": "json://localhost",
    "AUDIT_SEAL_KEY": KEY,
    "LOG_FORMAT": "console",
    "LOG_LEVEL": "WARNING",
}
WEB = ("-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
IMPORT = ("-c", "import config.wsgi")
WORKER = ("manage.py", "procrastinate", "worker", "--one-shot")


def start(command: tuple[str, ...], media: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ENVIRONMENT | {"MEDIA_ROOT": str(media), "BIND": f"127.0.0.1:{free_port()}"} | changed
    environment["STATIC_ROOT"] = str(media)
    arguments = [sys.executable, *command]
    return subprocess.run(
        arguments, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_valid_settings_raise_no_messages(tmp_path: Path) -> None:
    done = start(IMPORT, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", (WEB, WORKER), ids=("web", "worker"))
def test_process_reports_every_dangerous_setting_and_exits(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = start(command, tmp_path, ALLOWED_HOSTS="*", DEBUG="1", METRICS_TOKEN="x")
    assert done.returncode == 1
    first, *errors = done.stderr.rstrip().rpartition("Not started")[2].splitlines()
    assert first == " because of these settings:"
    assert [line.rpartition("(")[2] for line in sorted(errors)] == ["config.E005)", "config.E002)", "webhooks.E007)"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "name", "value"),
    (
        (IMPORT, "SECRET_KEY", ""),
        (IMPORT, "SITE_URL", "https://127.0.0.1"),
        (WORKER, "DATABASE_PASSWORD_FILE", "/nowhere/password"),
        (WEB, "SECRET_KEY_FILE", "/dev/null"),
        (WEB, "LOCAL_MODE_FILE", "/nowhere/mode"),
        (IMPORT, "TRUSTED_PROXY_COUNT", "one"),
        (IMPORT, "LOG_LEVEL", "loud"),
        (IMPORT, "RECONCILE_CRON", "*/15 * *"),
        (IMPORT, "RECONCILE_FULL_CRON", "weekly"),
        (WORKER, "AUDIT_SEAL_CRON", "*/5 * * * 9"),
        (WORKER, "AUDIT_VERIFY_CRON", "x"),
        (WEB, "LOCAL_MODE", "treu"),
        (WEB, "LOG_FORMAT", "xml"),
        (WEB, "WEB_CONCURRENCY", "0"),
        (WORKER, "DEBUG", "treu"),
    ),
)
def test_malformed_setting_stops_the_process_with_one_sentence(
    tmp_path: Path, command: tuple[str, ...], name: str, value: str
) -> None:
    done = start(command, tmp_path, **{name: value})
    assert done.returncode == 1
    [line] = filter(None, done.stderr.splitlines())
    assert name in line


def test_warnings_are_logged_at_the_start(tmp_path: Path) -> None:
    done = start(IMPORT, tmp_path, CLERK_SECRET_KEY="", TRUSTED_PROXY_SSL_HEADER="")
    assert done.returncode == 0
    logged = [line for line in done.stderr.splitlines() if "WARNING config.startup:" in line]
    # Django stores its checks in a set, so their order varies.
    assert sorted(line.rpartition("(")[2] for line in logged) == ["accounts.W011)", "config.W009)"]
