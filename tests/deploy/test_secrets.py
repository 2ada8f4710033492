"""Values of secret settings never leave the process: in logs, pages, error reports, metrics, the audit log or the admin."""

import base64
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.core import checks, signing
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter
from pytest_django import Settings

from audit.models import AuditLog
from config import media
from config.environment import BASE_DIR, database_config, mailer_config, replica_config, sentry_dsn
from tests.config.test_startup import ENVIRONMENT
from tests.helpers.admin import PK, one_of_each
from tests.helpers.clients import with_password
from tests.helpers.sentry import Receiver, receiver
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, free_port, gunicorn
from tests.test_admin_permissions import ADMIN
from webhooks.inbox import signatures

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"canary-of-the-webhook-endpoint").decode()
#: A recognizable value of each secret setting.
CANARIES = {
    "SECRET_KEY": "canary-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz",
    "SECRET_KEY_FALLBACKS": "canary-earlier-key-0123456789-abcdefghijklmnopqrstuvw",
    "CLERK_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "CLERK_SECRET_KEY": "sk_live_canaryofthebackendapi0123456789",
    "SVIX_API_KEY": "testsk_canaryofsvix0123456789.eu",
    "AUDIT_SEAL_KEY": "canary-seal-key-0123456789-abcdefghijklmnopqrst",
    "METRICS_TOKEN": "canary-metrics-token-0123456789",
    "ALERT_URLS": "json://user:canaryalertpassword@127.0.0.1:9/canaryalerttoken",
    "EMAIL_URL": "smtp://user:canarymailpassword@127.0.0.1:9",
    "S3_SECRET_ACCESS_KEY": "canary-s3-secret-0123456789",
    "DATABASE_REPLICA_URL": "postgresql://user:canaryreplicapassword@127.0.0.1:9/app",
    "SENTRY_DSN": "http://canarysentrykey@127.0.0.1:{port}/1",
}
DATABASE_URL = "postgresql://user:canarydatabasepassword@db/app"
#: Settings whose names look like secrets, but whose values are public or contain no password. The database's password is in
#: DATABASE_URL here.
PUBLIC = {
    "CLERK_ACCOUNT_PORTAL_URL",
    "CLERK_API_URL",
    "CLERK_FRONTEND_API_URL",
    "CLERK_JWT_KEY",
    "CLERK_PUBLISHABLE_KEY",
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "MEDIA_CDN_URL",
    "S3_ACCESS_KEY_ID",
    "S3_ENDPOINT_URL",
    "SENTRY_ISSUES_URL",
    "SITE_URL",
    "STATIC_CDN_URL",
    "SVIX_API_URL",
}
#: The parts of these values that must not appear anywhere.
FORBIDDEN = [
    *(value for name, value in CANARIES.items() if not name.endswith(("_URL", "_URLS"))),
    WEBHOOK_SECRET.removeprefix("whsec_"),
    "canaryalertpassword",
    "canaryalerttoken",
    "canarymailpassword",
    "canarydatabasepassword",
    "canaryreplicapassword",
    "canarysentrykey",
]


def test_every_secret_has_a_canary() -> None:
    example = (BASE_DIR / ".env.example").read_text().partition("# --- Local mode")[0]
    names = re.findall(r"^([A-Z0-9_]*(?:KEY|SECRET|PASSWORD|TOKEN|DSN|URLS?)(?:_[A-Z]+)?)=", example, re.MULTILINE)
    assert set(names) == set(CANARIES) | PUBLIC


def test_rotation_of_every_secret_is_described() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (BASE_DIR / "docs" / "deploy" / "secrets.md").read_text(), re.MULTILINE)
    described = set(re.findall(r"`([A-Z0-9_]+)`", " ".join(rows)))
    assert {*CANARIES, "DATABASE_PASSWORD"} - {"SECRET_KEY_FALLBACKS"} <= described


def assert_clean(text: str, place: str) -> None:
    assert [canary for canary in FORBIDDEN if canary in text] == [], place


# --- A running site ---


@pytest.fixture(scope="module")
def sentry() -> Iterator[Receiver]:
    with receiver() as received:
        yield received


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canaries") / "log.txt"


@pytest.fixture(scope="module")
def site(sentry: Receiver, log: Path, database_url: str) -> Iterator[httpx.Client]:
    port = free_port()
    environment = (
        ENVIRONMENT
        | CANARIES
        | {
            "DJANGO_SETTINGS_MODULE": "tests.deploy.canary_settings",
            "SVIX_APP_ID": "app_1",
            "SVIX_ENDPOINT_ID": "ep_1",
            "S3_BUCKET": "media",
            "S3_ENDPOINT_URL": "http://127.0.0.1:9",
            "S3_ACCESS_KEY_ID": "key",
            "SENTRY_DSN": CANARIES["SENTRY_DSN"].format(port=sentry.port),
            "MEDIA_ROOT": str(log.parent),
            "BIND": f"127.0.0.1:{port}",
            "PORT": str(port),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
        }
    )
    del environment["DATABASE_URL"]
    headers = {"Host": "profiles.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    with (
        gunicorn(database_url, log, workers=1, configuration=WITHOUT_ALERT_THREAD, **environment) as url,
        httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.mark.django_db(transaction=True)
def test_logs_pages_metrics_and_sentry_contain_no_secret(site: httpx.Client, log: Path, sentry: Receiver) -> None:
    body = '{"type": "user.created"'
    signed = signatures.sign(body, WEBHOOK_SECRET, svix_id="msg_1")
    token = {"Authorization": f"Bearer {CANARIES['METRICS_TOKEN']}"}
    answers = [
        site.get("/builders/"),
        site.get("/nothing/"),
        site.get(f"/media/portraits/{'a' * 32}.webp"),
        site.get("/metrics", headers=token),
        site.get("/metrics", headers={"Authorization": "Bearer wrong"}),
        site.post("/api/webhooks/clerk", content="{}"),
        site.post("/api/webhooks/clerk", content=body, headers=signed),
        site.post("/api/webhooks/clerk", content=body, headers=signed | {"svix-signature": "v1,AAAA"}),
        site.post("/fails/", data={"email": "a@example.com"}, headers=signed | token),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 503, 200, 404, 400, 200, 400, 500]
    for answer in answers:
        assert_clean(answer.text + str(answer.headers), str(answer.url))
    assert "/fails/" in log.read_text()
    assert_clean(log.read_text(), "log")
    assert sentry.bodies
    # Reports contain the key of the project that receives them.
    assert_clean("".join(sentry.bodies).replace("canarysentrykey", ""), "Sentry")


# --- The admin, the audit log and error reports ---


@pytest.fixture
def planted(settings: Settings) -> Settings:
    settings.SECRET_KEY = CANARIES["SECRET_KEY"]
    settings.SECRET_KEY_FALLBACKS = [CANARIES["SECRET_KEY_FALLBACKS"]]
    settings.CLERK_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    settings.CLERK_SECRET_KEY = CANARIES["CLERK_SECRET_KEY"]
    settings.SVIX_API_KEY, settings.SVIX_APP_ID, settings.SVIX_ENDPOINT_ID = CANARIES["SVIX_API_KEY"], "app_1", "ep_1"
    settings.AUDIT_SEAL_KEYS = [CANARIES["AUDIT_SEAL_KEY"]]
    settings.METRICS_TOKEN = CANARIES["METRICS_TOKEN"]
    settings.ALERT_URLS = [CANARIES["ALERT_URLS"]]
    settings.EMAIL_URL = CANARIES["EMAIL_URL"]
    settings.SENTRY_DSN = CANARIES["SENTRY_DSN"]
    settings.DATABASE_REPLICA_URL = CANARIES["DATABASE_REPLICA_URL"]
    return settings


@pytest.mark.django_db
def test_admin_and_audit_log_contain_no_secret(planted: Settings) -> None:
    assert one_of_each() == PK
    browser: Client = with_password(raise_request_exception=False)
    seen = 0
    for url in ADMIN:
        response: Any = browser.get(url.format(pk=PK))
        seen += response.status_code == 200
        content = b"".join(response.streaming_content) if response.streaming else response.content
        assert_clean(content.decode("utf-8", "replace"), url)
    assert seen > 40
    for row in AuditLog.objects.all():
        assert_clean(str(row.details), f"audit row {row.pk}")


def test_reports_of_errors_contain_no_secret(planted: Settings, rf: RequestFactory) -> None:
    planted.MAILERS = {"default": mailer_config(CANARIES["EMAIL_URL"])}
    planted.COPY_OF_DATABASES = {"default": database_config(DATABASE_URL, pool_size=1)}
    try:
        raise ValueError("broken")
    except ValueError:
        reporter = ExceptionReporter(rf.get("/"), *sys.exc_info())
    assert_clean(reporter.get_traceback_text(), "text")
    assert_clean(reporter.get_traceback_html(), "page")


def test_messages_about_settings_contain_no_secret(planted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.LOCAL_MODE = False
    for message in checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True):
        assert_clean(f"{message.msg} {message.hint}", str(message.id))
    monkeypatch.setenv("SENTRY_DSN", "canarymailpassword")
    monkeypatch.setenv("S3_BUCKET", "media")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", CANARIES["S3_SECRET_ACCESS_KEY"])
    malformed: list[Any] = [
        lambda: database_config("mysql://user:canarydatabasepassword@db/app", pool_size=1),
        lambda: database_config("postgresql://user:canarydatabasepassword@db:port/app", pool_size=1),
        lambda: replica_config("mysql://user:canaryreplicapassword@db/app", pool_size=1),
        lambda: replica_config("postgresql://user:canaryreplicapassword@db:port/app", pool_size=1),
        lambda: database_config("postgresql://user:canarydatabasepassword@db/app", pool_size=1, password="x"),
        lambda: mailer_config("pigeon://user:canarymailpassword@host"),
        sentry_dsn,
        media.media_storage,
    ]
    for read in malformed:
        with pytest.raises(ImproperlyConfigured) as caught:
            read()
        assert_clean(str(caught.value), "error")
        assert caught.value.__cause__ is None


# --- Rotation ---


@pytest.mark.django_db
def test_secret_key_is_rotated_without_signing_anybody_out(settings: Settings) -> None:
    before, during = with_password(), with_password()
    signed = signing.dumps({"a": 1})
    old, settings.SECRET_KEY = django_settings.SECRET_KEY, CANARIES["SECRET_KEY"]
    assert before.get("/admin/").status_code == 302
    settings.SECRET_KEY_FALLBACKS = [old]
    assert during.get("/admin/").status_code == 200
    assert signing.loads(signed) == {"a": 1}
    settings.SECRET_KEY_FALLBACKS = []  # the session was signed again with the new key
    assert during.get("/admin/").status_code == 200
