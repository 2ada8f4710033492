"""Pages make no claims about new builders, and a page without a headline is not in the directory."""

import re

import pytest
from django.test import Client
from django.utils.html import strip_tags

from profiles.models import Availability, BuilderProfile
from profiles.shortlist.services import add as add_to_shortlist
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db
UNLISTED = "It is not listed in the directory yet. Add a headline to be listed."


@pytest.fixture
def olive(webhook: WebhookClient) -> BuilderProfile:
    """Return the profile of a builder whom a webhook has just created."""
    webhook.created(person(first_name="Olive", last_name="Owner", roles=["BUILDER"]))
    return BuilderProfile.objects.get()


def edit(profile: BuilderProfile, section: str, **values: str) -> None:
    response = signed_in(profile.user).post(f"{profile.get_absolute_url()}edit/{section}/", values)
    assert response.status_code == 302, response.content.decode()
    profile.refresh_from_db()


def confirm(profile: BuilderProfile, availability: str) -> None:
    edit(profile, "terms", availability=availability, available_for_hire="on", currency="USD")


def test_new_page_claims_no_tier_or_availability(olive: BuilderProfile) -> None:
    assert olive.effective_availability == Availability.NOT_STATED
    text = Client().get(olive.get_absolute_url()).text
    assert "New here. Not reviewed yet." in " ".join(strip_tags(text).split())
    assert "Not stated" in text
    assert not re.search(r"\bAvailable\b", strip_tags(text))


def test_confirmed_availability_is_shown(olive: BuilderProfile) -> None:
    confirm(olive, "limited")
    assert "Limited" in Client().get(olive.get_absolute_url()).text
    confirm(olive, "not_stated")
    assert olive.availability_confirmed_at is None
    assert "Not stated" in Client().get(olive.get_absolute_url()).text


def test_availability_entered_by_admin_is_not_stated(olive: BuilderProfile) -> None:
    admin = signed_in(UserFactory.create(admin=True))
    admin.post(f"{olive.get_absolute_url()}edit/terms/", {"availability": "limited", "currency": "USD"})
    olive.refresh_from_db()
    assert (olive.availability, olive.stated_availability) == ("limited", "not_stated")
    found = admin.get(f"/api/profiles/builders/{olive.pk}").json()
    assert found["availability"] == "not_stated"


def test_availability_facet_counts_unconfirmed_builders_as_not_stated(client: Client) -> None:
    BuilderProfileFactory.create(availability="available")
    BuilderProfileFactory.create(availability="available", available_for_hire=False)
    [choices] = [
        each.choices for each in client.get("/builders/").context["facets"] if each.facet.key == "availability"
    ]
    assert [(choice.value, choice.count) for choice in choices] == [("unavailable", "1"), ("not_stated", "1")]


def test_page_without_headline_is_not_listed_and_explained_to_owner(olive: BuilderProfile) -> None:
    for url in ("/", "/builders/", "/builders/?q=olive", "/api/profiles/builders"):
        assert "olive-owner" not in Client().get(url).text, url
    assert Client().get(f"/api/profiles/builders/{olive.pk}").status_code == 404
    page = Client().get(olive.get_absolute_url())
    assert (page.status_code, page["X-Robots-Tag"]) == (200, "noindex")
    owner = signed_in(olive.user)
    for url in (olive.get_absolute_url(), "/account/"):
        assert UNLISTED in owner.get(url).text
    assert "Not listed in the directory until you add a headline." in owner.get(olive.get_absolute_url()).text


def test_page_is_listed_once_it_has_a_headline(olive: BuilderProfile) -> None:
    edit(olive, "introduction", headline="Maps that work offline")
    assert "olive-owner" in Client().get("/builders/").text
    assert UNLISTED not in signed_in(olive.user).get("/account/").text


def test_admins_see_that_a_page_without_headline_is_not_listed(olive: BuilderProfile) -> None:
    text = signed_in(UserFactory.create(admin=True)).get(olive.get_absolute_url()).text
    assert "Public, but not listed in the directory. The page has no headline." in text


def test_tiers_are_explained_on_pages_with_cards() -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    client = ClientProfileFactory.create().user
    add_to_shortlist(client, profile)
    for path in ("/", "/builders/", "/account/shortlist/"):
        text = " ".join(strip_tags(signed_in(client).get(path).text).split())
        assert "Expert Proven on demanding projects, and reviewed in depth." in text
        assert "New here Not reviewed yet." in text


def test_facet_explains_each_tier() -> None:
    BuilderProfileFactory.create(introduced=True)
    facet = Client().get("/builders/").text.partition("<legend>Tier</legend>")[2].partition("</fieldset>")[0]
    assert "New here <small>Not reviewed yet.</small>" in facet
