"""Liveness and readiness probes, and responses while the database is unavailable."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from config import views
from config.database import close_pools
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

HEALTHZ, READYZ = "/healthz", "/readyz"


@pytest.fixture(autouse=True)
def just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the migration check's cached result."""
    monkeypatch.setattr(views, "_migrated", False)


@pytest.fixture
def database_down(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connect to a database host that does not exist."""
    options = connection.settings_dict["OPTIONS"]
    close_pools()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "/nowhere")
        patch.setitem(options, "pool", options["pool"] | {"timeout": 0.1, "min_size": 0})
        yield
        close_pools()


def get(client: Client, url: str) -> tuple[int, Any]:
    response = client.get(url)
    assert "no-store" in response["Cache-Control"]
    return response.status_code, response.json()


@pytest.mark.django_db
@pytest.mark.parametrize("url", (HEALTHZ, READYZ))
def test_probes_succeed(client: Client, url: str) -> None:
    assert get(client, url) == (200, {"status": "ok"})


def test_liveness_does_not_depend_on_the_database(client: Client) -> None:
    """pytest-django blocks queries in this test. Restarting the process would not repair the database."""
    assert get(client, HEALTHZ) == (200, {"status": "ok"})


@pytest.mark.usefixtures("database_down")
def test_process_is_alive_but_not_ready_while_the_database_is_down(client: Client) -> None:
    assert get(client, HEALTHZ) == (200, {"status": "ok"})
    assert get(client, READYZ) == (503, {"status": "database_unreachable"})


@pytest.mark.usefixtures("database_down")
def test_pages_return_503_while_the_database_is_down(client: Client) -> None:
    for url in ("/", "/builders/", "/builders/olive-owner/"):
        response = client.get(url)
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert "We will be back in a moment" in response.content.decode()


@pytest.mark.usefixtures("database_down")
def test_page_with_expired_token_returns_503_while_the_database_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """The middleware queries a flag to decide whether to start a handshake."""
    caches["flags"].clear()
    browser = signed_in(UserFactory.build(), expired=True, raise_request_exception=False)
    response = browser.get("/builders/", headers=PAGE)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "We will be back in a moment" in response.content.decode()
    assert "Database unavailable for /builders/" in caplog.text


@pytest.mark.usefixtures("database_down")
def test_api_returns_503_as_json_while_the_database_is_down(client: Client) -> None:
    response = client.get("/api/profiles/builders")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["error"]["code"] == "unavailable"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "error",
    (
        pytest.param(OperationalError("the server closed the connection"), id="closed"),
        pytest.param(InterfaceError("the connection is closed"), id="interface"),
        pytest.param(DatabaseError("no password supplied"), id="other"),
        pytest.param(ImproperlyConfigured("settings.DATABASES is improperly configured"), id="settings"),
    ),
)
def test_readiness_recovers_with_the_database(client: Client, error: Exception) -> None:
    def fail(*args: Any) -> Any:
        raise error

    assert get(client, READYZ) == (200, {"status": "ok"})
    with connection.execute_wrapper(fail):
        assert get(client, READYZ) == (503, {"status": "database_unreachable"})
    assert get(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_process_is_not_ready_without_lock_timeout(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Without the timeout, which a pooler may drop, a webhook could wait for a lock until Svix times out."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
        assert get(client, READYZ) == (503, {"status": "timeouts_missing"})
        assert "Database sessions have no lock_timeout. Run manage.py migrate" in caplog.text
        cursor.execute("SET LOCAL lock_timeout = 3000")
    assert get(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_process_is_not_ready_while_migrations_are_pending(client: Client) -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="audit").latest("id")
    newest.delete()
    for _ in range(2):
        assert get(client, READYZ) == (503, {"status": "migrations_pending"})
    newest.save(force_insert=True)
    assert get(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_process_is_ready_with_the_database_of_a_newer_version(client: Client) -> None:
    """The previous version serves while the next one is rolled out or back, and its `migrate` changes nothing."""
    MigrationRecorder.Migration.objects.create(app="audit", name="9999_next_version")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user ADD COLUMN of_the_next_version text NOT NULL DEFAULT ''")
    assert get(client, READYZ) == (200, {"status": "ok"})
    call_command("migrate", "--check", verbosity=0)
    assert WebhookClient().created(person(roles=["BUILDER"])) == "processed"


@pytest.mark.django_db
def test_process_is_not_ready_with_an_empty_database(client: Client) -> None:
    MigrationRecorder.Migration.objects.all().delete()
    assert get(client, READYZ) == (503, {"status": "migrations_pending"})


@pytest.mark.django_db
def test_migrations_are_checked_until_applied_and_not_again(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A newer version can migrate the database while this process is still running."""
    get(client, READYZ)
    MigrationRecorder.Migration.objects.all().delete()
    with django_assert_num_queries(1):
        assert get(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("url", (HEALTHZ, READYZ))
def test_probes_set_no_cookie_and_accept_head(client: Client, url: str) -> None:
    assert not client.get(url).cookies
    assert client.head(url).status_code == 200
    response = client.post(url)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


PROBED_HOSTS = ("10.0.3.17:8000", "[2001:db8::7]:8000", "host.invalid", "not a host", "")


@pytest.mark.django_db
@pytest.mark.parametrize("host", PROBED_HOSTS)
@pytest.mark.parametrize("url", (HEALTHZ, READYZ, "/metrics"))
def test_probes_respond_before_the_host_check(
    client: Client, caplog: pytest.LogCaptureFixture, url: str, host: str
) -> None:
    response = client.get(url, headers={"host": host}, SERVER_NAME="10.0.3.17")
    assert response.status_code == 200
    assert caplog.records == []


@pytest.mark.django_db
def test_pages_still_check_the_host(client: Client) -> None:
    for url in ("/", "/healthz/", "/builders/", "/admin/", "/api/profiles/builders"):
        assert client.get(url, headers={"host": "10.0.3.17:8000"}).status_code == 400, url


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ("", "Host: 10.0.3.17:8000\r\n"), ids=("none", "IP address"))
@pytest.mark.parametrize("url", (HEALTHZ, READYZ, "/metrics"))
def test_running_server_responds_to_probes_with_any_host(server: str, url: str, host: str) -> None:
    address = urlsplit(server)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as probe:
        probe.sendall(f"GET {url} HTTP/1.0\r\n{host}\r\n".encode())
        assert probe.recv(100).startswith(b"HTTP/1.0 200 OK\r\n")


@pytest.mark.usefixtures("database_down")
def test_metrics_return_503_while_the_database_is_down(client: Client) -> None:
    response = client.get("/metrics")
    assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.django_db
def test_query_timeout_in_a_view_returns_503(client: Client) -> None:
    BuilderProfileFactory.create()

    def fail(*args: Any) -> Any:
        raise OperationalError("canceling statement due to statement timeout")

    with connection.execute_wrapper(fail):
        assert client.get("/builders/").status_code == 503
    assert client.get("/builders/").status_code == 200


@pytest.mark.django_db
def test_other_exceptions_return_500(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.config.urls"
    assert Client(raise_request_exception=False).get("/fails/500/").status_code == 500
