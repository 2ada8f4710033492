"""Web servers and workers do not start with dangerous, malformed or missing settings."""

import json
import os
import re
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
        (WEB, "BIND", "localhost"),
        (WEB, "BIND", "127.0.0.1:70000"),
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


#: A wrong value of each setting that is read when the settings are loaded.
MALFORMED = {
    "ADMIN_APPROVAL": "treu",
    "ALERT_CHECK_CRON": "x",
    "ALERT_RESOLVE_AFTER_S": "x",
    "AUDIT_SEAL_CRON": "x",
    "AUDIT_VERIFY_CRON": "x",
    "CLERK_ACCOUNT_PORTAL_URL": "http://x",
    "CLERK_JS_VERSION": "x",
    "CLERK_ORGANIZATION_ROLES": "org:admin=ADMIN",
    "CLERK_PUBLISHABLE_KEY": "x",
    "CLERK_UI_VERSION": "x",
    "DATABASE_POOLER": "session",
    "DATABASE_POOL_SIZE": "0",
    "DATABASE_PREPARED_STATEMENTS": "treu",
    "DATABASE_REPLICA_MAX_LAG_S": "x",
    "DATABASE_REPLICA_URL": "mysql://x",
    "DATABASE_URL": "mysql://x",
    "DEBUG": "treu",
    "EMAIL_URL": "pigeon://x",
    "JOB_RETENTION_DAYS": "0",
    "LIVE_SITE": "treu",
    "LOG_FORMAT": "xml",
    "LOG_LEVEL": "loud",
    "MEDIA_CDN_URL": "http://x",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "x",
    "PAYLOAD_RETENTION_DAYS": "0",
    "RECONCILE_CRON": "x",
    "RECONCILE_FULL_CRON": "x",
    "REQUEST_LIMITS": "treu",
    "REVIEW_EVIDENCE_DAYS": "0",
    "S3_ENDPOINT_URL": "x",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": "treu",
    "SECURE_HSTS_PRELOAD": "treu",
    "SECURE_HSTS_SECONDS": "x",
    "SECURITY_CONTACT": "x",
    "SECURITY_LANGUAGES": "English",
    "SENTRY_DSN": "x",
    "SENTRY_ISSUES_URL": "http://x",
    "SENTRY_TRACES_SAMPLE_RATE": "2",
    "SITE_URL": "http://x",
    "STATIC_CDN_URL": "http://x",
    "TRUSTED_PROXY_COUNT": "x",
    "TRUSTED_PROXY_IP_HEADER": "x",
    "TRUSTED_PROXY_SSL_HEADER": "x",
}
#: A wrong value of each setting that a system check rejects.
DANGEROUS = {
    "ALERT_URLS": "x",
    "ALLOWED_HOSTS": "*",
    "AUDIT_CHECKPOINTS": "x",
    "AUDIT_SEAL_KEY": "x",
    "CLERK_API_URL": "http://x",
    "CLERK_AUTHORIZED_PARTIES": "x",
    "CLERK_FRONTEND_API_URL": "http://x",
    "CLERK_INSTANCE_ID": "x",
    "CLERK_JWT_KEY": "x",
    "CLERK_SECRET_KEY": "x",
    "CLERK_WEBHOOK_ALLOWED_IPS": "x",
    "CLERK_WEBHOOK_SECRET": "x",
    "CSRF_TRUSTED_ORIGINS": "x",
    "DEFAULT_FROM_EMAIL": "x",
    "MEDIA_ROOT": "/nowhere",
    "METRICS_ALLOWED_IPS": "x",
    "METRICS_TOKEN": "x",
    "SECRET_KEY": "x",
    "SECRET_KEY_FALLBACKS": "x",
    "SVIX_APP_ID": "",
    "SVIX_ENDPOINT_ID": "",
}
#: Settings that can have any value, or that other tests set: those of this file, tests.core.test_object_store and
#: tests.webhooks.replay.test_recovery.
OTHERS = {
    "BIND",
    "DATABASE_PASSWORD",
    "DEPLOYMENT",
    "S3_ACCESS_KEY_ID",
    "S3_BUCKET",
    "S3_REGION",
    "S3_SECRET_ACCESS_KEY",
}
OTHERS |= {"STATIC_ROOT", "SVIX_API_KEY", "SVIX_API_URL", "VERSION", "WEB_CONCURRENCY"}
LOAD_EACH = """
import json, os, sys
import config.clerk_environment, config.environment, config.logs.records, config.logs.traced_jobs, config.media, config.sentry
from django.core.exceptions import ImproperlyConfigured
for name, value in json.loads(sys.argv[1]).items():
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    os.environ[name] = value
    try:
        import config.settings
        print(name, "is accepted", flush=True)
    except ImproperlyConfigured as error:
        print(error, flush=True)
    os._exit(0)
"""


def test_every_setting_has_a_wrong_value_or_is_free() -> None:
    example = (BASE_DIR / ".env.example").read_text().partition("# --- Local mode")[0]
    names = re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE)
    assert sorted(names) == sorted([*MALFORMED, *DANGEROUS, *OTHERS])


def test_every_malformed_setting_is_named_in_one_sentence(tmp_path: Path) -> None:
    done = start(("-c", LOAD_EACH, json.dumps(MALFORMED)), tmp_path, S3_BUCKET="media")
    assert done.returncode == 0, done.stderr
    sentences = done.stdout.splitlines()
    assert [sentence.partition(" ")[0] for sentence in sentences] == list(MALFORMED)
    assert [sentence for sentence in sentences if "must" not in sentence] == []


def test_every_dangerous_setting_is_named_in_one_line(tmp_path: Path) -> None:
    done = start(IMPORT, tmp_path, SVIX_API_KEY="x", **DANGEROUS)
    assert done.returncode == 1
    lines = done.stderr.rpartition("Not started because of these settings:\n")[2].splitlines()
    for name in DANGEROUS:
        assert [line for line in lines if re.search(rf"\b{name}\b", line)], (name, lines)
    assert [line for line in lines if not re.search(r"\([a-z]+\.E\d+\)$", line)] == []


def test_warnings_are_logged_at_the_start(tmp_path: Path) -> None:
    done = start(IMPORT, tmp_path, CLERK_SECRET_KEY="", TRUSTED_PROXY_SSL_HEADER="")
    assert done.returncode == 0
    logged = [line for line in done.stderr.splitlines() if "WARNING config.startup:" in line]
    # Django stores its checks in a set, so their order varies.
    assert sorted(line.rpartition("(")[2] for line in logged) == ["accounts.W011)", "config.W009)"]
