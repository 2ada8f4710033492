"""Suggestions for signed-in clients in the directory, based on the client profile."""

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shipped_synonyms")]

EXPLANATION = "Because you are looking for:"
NEEDS = "We run a bakery.\nA mobile app for orders, and we would begin in January."


@pytest.fixture(autouse=True)
def builders() -> None:
    for name, headline, domains in (
        ("Mona Mobile", "Apps that people keep", ["mobile"]),
        ("Bo Baker", "Software for bakeries", ["commerce"]),
        ("Linus Ledger", "Books that balance", ["finance"]),
    ):
        BuilderProfileFactory.create(user__name=name, headline=headline, domains=domains)


@pytest.fixture
def vera() -> User:
    profile: ClientProfile = ClientProfileFactory.create(
        user__client=True, industry="Food", project_preferences=NEEDS, company_name="Vera & Co"
    )
    return profile.user


def read(browser: Client, params: str = "", **options: Any) -> str:
    response = browser.get(f"/builders/{params}", **options)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def names_on(text: str) -> set[str]:
    return set(re.findall(r'class="card__name"[^>]*><a [^>]*>([^<]*)<', text))


def chips(text: str) -> dict[str, str]:
    """Return the URL of each removable chip by label."""
    found = re.findall(
        r'<a class="chip" href="([^"]*)">\s*<span class="visually-hidden">Remove</span>\s*<span[^>]*>“(.*?)”', text
    )
    return {label: url for url, label in found}


def test_first_results_match_the_clients_text(vera: User) -> None:
    text = read(signed_in(vera))
    assert EXPLANATION in text
    assert list(chips(text)) == ["food", "bakery", "mobile app"]
    assert names_on(text) == {"Mona Mobile", "Bo Baker"}


def test_chip_removes_one_search_term(vera: User) -> None:
    browser = signed_in(vera)
    removed = read(browser, chips(read(browser))["mobile app"].removeprefix("/builders/"))
    assert EXPLANATION not in removed
    assert names_on(removed) == {"Bo Baker"}


def test_removing_the_last_chip_shows_all_builders(vera: User) -> None:
    ClientProfile.objects.update(industry="", project_preferences="A mobile app")
    browser = signed_in(vera)
    [url] = chips(read(browser)).values()
    assert url == "/builders/?q="
    assert len(names_on(read(browser, "?q="))) == 3


def test_link_turns_suggestions_off(vera: User) -> None:
    browser = signed_in(vera)
    assert 'href="?needs=off"' in read(browser)
    for params in ("?needs=off", ""):
        text = read(browser, params)
        assert EXPLANATION not in text
        assert len(names_on(text)) == 3
        assert 'href="?needs=on"' in text
    assert EXPLANATION in read(browser, "?needs=on")
    assert EXPLANATION in read(browser)


@pytest.mark.parametrize("params", ("?q=ledger", "?domain=finance", "?sort=newest", "?q="))
def test_explicit_search_replaces_suggestions(vera: User, params: str) -> None:
    text = read(signed_in(vera), params)
    assert EXPLANATION not in text
    assert "Linus Ledger" in names_on(text)
    assert EXPLANATION not in read(signed_in(vera), params, headers=HTMX)


@pytest.mark.parametrize("needs", ("", "Wir suchen jemanden mit Geduld.", "a " * 1000, "\u202e(((", "developer"))
def test_profile_without_known_phrases_shows_all_builders(vera: User, needs: str) -> None:
    ClientProfile.objects.update(industry="", project_preferences=needs)
    text = read(signed_in(vera))
    assert EXPLANATION not in text
    assert len(names_on(text)) == 3


def test_without_matches_all_builders_are_shown(vera: User) -> None:
    ClientProfile.objects.update(industry="", project_preferences="A podcast")
    assert len(names_on(read(signed_in(vera)))) == 3


def test_other_users_see_all_builders(vera: User) -> None:
    builder = BuilderProfile.objects.select_related("user")[0].user
    for browser in (Client(), signed_in(UserFactory.create()), signed_in(builder)):
        text = read(browser)
        assert EXPLANATION not in text
        assert "needs=" not in text
    assert "needs" not in Client().get("/builders/?needs=off").cookies


def test_suggestions_take_as_many_queries_as_the_search(vera: User, client: Client) -> None:
    """One query reads the user, and one reads the client profile together with the shortlist."""
    counts = []
    for browser, params in ((client, "?q=food+bakery+mobile+app"), (signed_in(vera), "")):
        with CaptureQueriesContext(connection) as queries:
            read(browser, params)
        counts.append(len(queries))
    assert counts[1] == counts[0] + 2
