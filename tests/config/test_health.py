"""Whether the process lives, and whether it can serve."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from config import views
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

HEALTHZ, READYZ = "/healthz", "/readyz"


@pytest.fixture(autouse=True)
def just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process not have seen the database yet."""
    monkeypatch.setattr(views, "_migrated", False)


@pytest.fixture
def away(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nothing answer where the database should be."""
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # the PostgreSQL backend has it
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "/nowhere")
        patch.setitem(options, "pool", options["pool"] | {"timeout": 0.1, "min_size": 0})
        yield
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


def ask(client: Client, url: str) -> tuple[int, Any]:
    response = client.get(url)
    assert "no-store" in response["Cache-Control"]
    return response.status_code, response.json()


@pytest.mark.django_db
@pytest.mark.parametrize("url", (HEALTHZ, READYZ))
def test_all_is_well(client: Client, url: str) -> None:
    assert ask(client, url) == (200, {"status": "ok"})


def test_liveness_does_not_depend_on_the_database(client: Client) -> None:
    """pytest-django refuses queries here. Restarting the process would not bring a database back."""
    assert ask(client, HEALTHZ) == (200, {"status": "ok"})


@pytest.mark.usefixtures("away")
def test_a_process_whose_database_is_away_lives_and_is_not_ready(client: Client) -> None:
    assert ask(client, HEALTHZ) == (200, {"status": "ok"})
    assert ask(client, READYZ) == (503, {"status": "database_unreachable"})


@pytest.mark.usefixtures("away")
def test_pages_ask_to_come_again_while_the_database_is_away(client: Client) -> None:
    for url in ("/", "/builders/", "/builders/olive-owner/"):
        response = client.get(url)
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert "We will be back in a moment" in response.content.decode()


@pytest.mark.usefixtures("away")
def test_so_do_pages_that_need_a_fresh_token_first(caplog: pytest.LogCaptureFixture) -> None:
    """Whether they go to Clerk for it depends on a flag, which middleware asks the database for."""
    caches["flags"].clear()
    browser = signed_in(UserFactory.build(), expired=True, raise_request_exception=False)
    response = browser.get("/builders/", headers=PAGE)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "We will be back in a moment" in response.content.decode()
    assert "The database could not answer for /builders/" in caplog.text


@pytest.mark.usefixtures("away")
def test_programs_are_told_in_json(client: Client) -> None:
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
def test_readiness_comes_back_with_the_database(client: Client, error: Exception) -> None:
    def fail(*args: Any) -> Any:
        raise error

    assert ask(client, READYZ) == (200, {"status": "ok"})
    with connection.execute_wrapper(fail):
        assert ask(client, READYZ) == (503, {"status": "database_unreachable"})
    assert ask(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_a_process_is_not_ready_while_migrations_are_pending(client: Client) -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="audit").latest("id")
    newest.delete()
    for _ in range(2):
        assert ask(client, READYZ) == (503, {"status": "migrations_pending"})
    newest.save(force_insert=True)
    assert ask(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_a_new_database_has_all_migrations_pending(client: Client) -> None:
    MigrationRecorder.Migration.objects.all().delete()
    assert ask(client, READYZ) == (503, {"status": "migrations_pending"})


@pytest.mark.django_db
def test_migrations_are_looked_for_until_they_are_there_and_never_again(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A newer version may migrate the database while this process still serves."""
    ask(client, READYZ)
    MigrationRecorder.Migration.objects.all().delete()
    with django_assert_num_queries(1):
        assert ask(client, READYZ) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("url", (HEALTHZ, READYZ))
def test_probes_leave_no_cookie_and_may_be_heads(client: Client, url: str) -> None:
    assert not client.get(url).cookies
    assert client.head(url).status_code == 200
    response = client.post(url)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db
def test_a_page_that_fails_half_way_is_503_too(client: Client) -> None:
    BuilderProfileFactory.create()

    def fail(*args: Any) -> Any:
        raise OperationalError("canceling statement due to statement timeout")

    with connection.execute_wrapper(fail):
        assert client.get("/builders/").status_code == 503
    assert client.get("/builders/").status_code == 200


@pytest.mark.django_db
def test_a_fault_of_ours_is_no_503(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.config.urls"
    assert Client(raise_request_exception=False).get("/fails/500/").status_code == 500
