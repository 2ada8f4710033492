"""While Clerk's Frontend API is down, public pages are shown instead of redirecting to it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import tasks
from accounts.clerk import outage, rate_limiter
from accounts.models import ClerkRateLimit
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, PAGE, signed_in
from tests.helpers.factories import BuilderProfileFactory
from tests.helpers.tokens import ISSUER

pytestmark = pytest.mark.django_db

NOTE = "Sign-in is temporarily unavailable"


class FrontendApi:
    """Scripted Frontend API responses for `httpx.get`."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.answers: list[httpx.Response | httpx.HTTPError] = [httpx.Response(307)]

    def get(self, url: str, **options: Any) -> httpx.Response:
        self.urls.append(url)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    def down(self) -> None:
        self.answers = [httpx.ConnectError("refused")]

    def up(self) -> None:
        self.answers = [httpx.Response(307)]


@pytest.fixture
def frontend(monkeypatch: pytest.MonkeyPatch) -> FrontendApi:
    frontend = FrontendApi()
    monkeypatch.setattr(httpx, "get", frontend.get)
    return frontend


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create()
    return profile


def probe() -> None:
    """Run the worker's probe, and make this process read the result."""
    tasks.probe_clerk(0)
    cache.clear()


def get(browser: Client, url: str = "/builders/") -> Any:
    return browser.get(url, headers=PAGE)


def test_public_page_is_shown_with_a_note(page: BuilderProfile, frontend: FrontendApi) -> None:
    browser = signed_in(page.user, expired=True)
    assert get(browser, page.get_absolute_url()).status_code == 307
    frontend.down()
    probe()
    response = get(browser, page.get_absolute_url())
    assert response.status_code == 200
    assert NOTE in response.content.decode()
    assert "owner-bar" not in response.content.decode()
    assert "no-store" in response["Cache-Control"]


def test_handshake_resumes_after_the_outage(page: BuilderProfile, frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    frontend.up()
    probe()
    assert get(signed_in(page.user, expired=True)).status_code == 307
    assert not ClerkRateLimit.objects.exists()


@pytest.mark.parametrize(
    ("answer", "reason"), ((httpx.Response(502), "502"), (httpx.ReadTimeout("slow"), "ReadTimeout"))
)
def test_last_failure_is_recorded(frontend: FrontendApi, answer: httpx.Response | httpx.HTTPError, reason: str) -> None:
    frontend.answers = [answer]
    probe()
    row = ClerkRateLimit.objects.get(name=rate_limiter.FRONTEND)
    assert (row.failed_host, row.failed_with) == (urlsplit(ISSUER).hostname, reason)


def test_valid_tokens_work_during_the_outage(page: BuilderProfile, frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    response = get(signed_in(page.user), page.get_absolute_url())
    assert "owner-bar" in response.content.decode()
    assert NOTE not in response.content.decode()


def test_visitors_see_no_note(frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    response = get(Client())  # In development, every browser is first redirected to Clerk.
    assert response.status_code == 200
    assert NOTE not in response.content.decode()


def test_private_page_redirects_to_sign_in_with_a_note(page: BuilderProfile, frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    browser = signed_in(page.user, expired=True)
    response = get(browser, "/account/")
    assert (response.status_code, response["Location"]) == (302, "/sign-in/?next=%2Faccount%2F")
    assert NOTE in get(browser, response["Location"]).content.decode()


def test_submitted_form_is_preserved_and_shown_after_the_outage(page: BuilderProfile, frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    browser = signed_in(page.user, expired=True)
    url = f"/builders/{page.slug}/edit/introduction/"
    saved = browser.post(url, {"display_name": "Olive", "headline": "Typed during the outage"}, headers=PAGE)
    assert (saved.status_code, saved["Location"]) == (303, f"{url}?draft=1")
    to_sign_in = get(browser, saved["Location"])
    assert to_sign_in["Location"].startswith("/sign-in/?next=")
    frontend.up()
    probe()
    assert "Typed during the outage" in get(signed_in(page.user), saved["Location"]).content.decode()


def test_htmx_requests_and_api_clients_get_the_usual_responses(page: BuilderProfile, frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    browser = signed_in(page.user, expired=True)
    assert browser.get("/builders/", headers=HTMX).status_code == 401
    assert browser.get("/api/profiles/me").status_code == 401


@pytest.mark.parametrize(
    ("answers", "is_known"),
    (
        pytest.param([httpx.Response(307)], False, id="redirect"),
        pytest.param([httpx.Response(400)], False, id="rejected"),
        pytest.param([httpx.Response(429)], False, id="rate limit"),
        pytest.param([httpx.ConnectError("lost"), httpx.Response(307)], False, id="one lost request"),
        pytest.param([httpx.Response(503)], True, id="server error"),
        pytest.param([httpx.ReadTimeout("slow")], True, id="timeout"),
        pytest.param([httpx.ConnectError("refused")], True, id="connection refused"),
    ),
)
def test_probe_recognizes_an_outage(frontend: FrontendApi, answers: list[Any], *, is_known: bool) -> None:
    frontend.answers = answers
    probe()
    assert outage.is_known() is is_known
    assert frontend.urls[0] == f"{ISSUER.replace('clerk.bw.localhost', '127.0.0.1')}/v1/client/handshake"


def test_circuit_closes_by_itself_without_a_worker(frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    assert outage.is_known()
    cache.clear()
    with time_machine.travel(timezone.now() + outage.OPEN_FOR + timedelta(seconds=1)):
        assert not outage.is_known()


def test_circuit_closes_after_two_hours_of_failed_probes(frontend: FrontendApi) -> None:
    """Clerk may be reachable for browsers, so users must not appear signed out permanently."""
    frontend.down()
    probe()
    ClerkRateLimit.objects.update(failures=outage.MAX_FAILURES)
    assert outage.is_known()
    probe()
    assert not outage.is_known()


def test_circuit_is_not_deleted_with_idle_rate_limits(frontend: FrontendApi) -> None:
    frontend.down()
    probe()
    with time_machine.travel(timezone.now() + timedelta(seconds=20)):
        rate_limiter.delete_idle()
    assert outage.is_known()


def test_outage_and_its_end_are_logged_once(frontend: FrontendApi, caplog: pytest.LogCaptureFixture) -> None:
    frontend.down()
    for _ in range(3):
        probe()
    frontend.up()
    for _ in range(3):
        probe()
    assert [record.levelname for record in caplog.records if "Frontend API" in record.message] == ["ERROR", "WARNING"]


def test_circuit_is_read_once_in_several_seconds(
    page: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = signed_in(page.user, expired=True)
    get(browser)
    with django_assert_num_queries(0):
        assert get(browser).status_code == 307
