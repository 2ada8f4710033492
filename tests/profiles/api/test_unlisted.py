"""Unlisted builder pages are accessible only by their URL, not through lists, ids or search engines."""

import pytest
from django.test import Client

from profiles.models import BuilderProfile
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def unlisted() -> BuilderProfile:
    owner = UserFactory.create(name="Olive Owner", builder=True)
    profile: BuilderProfile = BuilderProfileFactory.create(
        user=owner, slug="olive-owner", headline="Quiet web apps", searchable=False
    )
    return profile


@pytest.fixture(params=("nobody", "visitor"))
def visitor(request: pytest.FixtureRequest) -> Client:
    return Client() if request.param == "nobody" else signed_in(UserFactory.create(client=True))


@pytest.mark.parametrize("method", ("get", "head", "patch", "delete"))
def test_unlisted_profile_id_returns_the_same_response_as_an_unknown_id(
    unlisted: BuilderProfile, visitor: Client, method: str
) -> None:
    found, unknown = (
        getattr(visitor, method)(f"/api/profiles/builders/{pk}", content_type="application/json")
        for pk in (unlisted.pk, 4711_4711)
    )
    assert (found.status_code, found.content) == (unknown.status_code, unknown.content)
    assert found.status_code == 404


def test_profile_id_stops_working_when_the_profile_is_unlisted(unlisted: BuilderProfile, visitor: Client) -> None:
    url = f"/api/profiles/builders/{unlisted.pk}"
    BuilderProfile.objects.update(searchable=True)
    assert visitor.get(url).status_code == 200
    BuilderProfile.objects.update(searchable=False)
    assert visitor.get(url).status_code == 404


def test_owner_and_admins_can_access_an_unlisted_profile_by_id(unlisted: BuilderProfile) -> None:
    for user in (unlisted.user, UserFactory.create(admin=True)):
        assert signed_in(user).get(f"/api/profiles/builders/{unlisted.pk}").status_code == 200


def test_lists_do_not_contain_unlisted_profiles(unlisted: BuilderProfile, visitor: Client) -> None:
    for url in ("/", "/builders/", "/builders/?q=olive", "/api/profiles/builders", "/api/profiles/builders?q=olive"):
        assert b"olive-owner" not in visitor.get(url).content.lower(), url


def test_unlisted_page_is_accessible_by_url_and_not_indexed(unlisted: BuilderProfile, visitor: Client) -> None:
    page = visitor.get("/builders/olive-owner/")
    assert page.status_code == 200
    assert '<meta name="robots" content="noindex">' in page.content.decode()
    assert page["X-Robots-Tag"] == "noindex"
    card = visitor.get("/builders/olive-owner/card.png")
    assert (card.status_code, card["X-Robots-Tag"]) == (200, "noindex")


def test_listed_page_is_indexed(unlisted: BuilderProfile, visitor: Client) -> None:
    BuilderProfile.objects.update(searchable=True)
    for url in ("/builders/olive-owner/", "/builders/olive-owner/card.png"):
        response = visitor.get(url)
        assert "X-Robots-Tag" not in response
        assert b"noindex" not in response.content
