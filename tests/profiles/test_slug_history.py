"""The address of a builder's page, which its owner changes, and those it had before."""

from typing import Any

import pytest
from django.db import IntegrityError

from audit.log import SYSTEM
from audit.models import AuditLog
from profiles import page_lookup, slug_history
from profiles.editing import services as editing
from profiles.models import BuilderProfile, FormerSlug
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(slug="olive")
    return profile


def move(page: BuilderProfile, slug: str, **options: Any) -> Any:
    page.refresh_from_db()
    return signed_in(page.user).post(
        f"/builders/{page.slug}/edit/visibility/", {"slug": slug, "searchable": "on"}, **options
    )


@pytest.mark.parametrize(
    ("typed", "slug"),
    (
        ("Olive Oil", "olive-oil"),
        ("Łódź & Żółw", "lodz-zolw"),
        ("  olive_\u202e--", "olive"),
        ("http://bw.localhost:8000/builders/olive-apps/", "olive-apps"),
        ("高橋 美咲", "高橋-美咲"),
        ("ليلى منصور", "ليلى-منصور"),
        ("Olive", "olive"),
    ),
)
def test_whatever_is_typed_becomes_an_address(page: BuilderProfile, typed: str, slug: str) -> None:
    response = move(page, typed)
    assert response.status_code == 302
    page.refresh_from_db()
    assert page.slug == slug
    assert signed_in(page.user).get(response["Location"]).status_code == 200


def test_the_old_one_stays_the_pages_own_and_the_change_is_recorded(page: BuilderProfile) -> None:
    move(page, "olive-apps")
    assert FormerSlug.objects.get().slug == "olive"
    assert AuditLog.objects.get().details == {"slug": ["olive", "olive-apps"]}


def test_htmx_moves_the_page_to_its_new_address(page: BuilderProfile) -> None:
    assert move(page, "olive-apps", headers=HTMX)["HX-Redirect"] == "/builders/olive-apps/"


def test_one_can_go_back(page: BuilderProfile) -> None:
    for slug in ("olive-apps", "olive", "olive-apps"):
        assert move(page, slug).status_code == 302
    assert [former.slug for former in FormerSlug.objects.all()] == ["olive"]


@pytest.mark.parametrize("typed", ("vera", "VÉRA", "vera-before"))
def test_what_somebody_has_or_had_is_taken(page: BuilderProfile, typed: str) -> None:
    vera = BuilderProfileFactory.create(slug="vera")
    FormerSlug.objects.create(slug="vera-before", builder=vera)
    response = move(page, typed)
    assert response.status_code == 422
    assert response.context["form"].errors == {"slug": [slug_history.SLUG_TAKEN]}
    page.refresh_from_db()
    assert page.slug == "olive"


def test_an_address_taken_a_moment_ago_is_refused_too(page: BuilderProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    BuilderProfileFactory.create(slug="vera")
    monkeypatch.setattr(slug_history, "slug_error", lambda slug, profile: None)
    monkeypatch.setattr(BuilderProfile, "validate_constraints", lambda self, exclude=None: None)
    response = move(page, "vera")
    assert response.status_code == 422
    assert response.context["form"].errors == {"slug": [slug_history.SLUG_TAKEN]}
    assert not FormerSlug.objects.exists()


def test_nobody_collects_addresses(page: BuilderProfile) -> None:
    for number in range(slug_history.MAX_FORMER_SLUGS):
        assert move(page, f"olive-{number}").status_code == 302
    assert "Your page has already had ten URLs." in move(page, "one-more").content.decode()
    assert move(page, "olive-3").status_code == 302


def test_a_newcomer_does_not_get_an_address_that_somebody_had(page: BuilderProfile, webhook: WebhookClient) -> None:
    FormerSlug.objects.create(slug="vera-visitor", builder=page)
    webhook.created(person(first_name="Vera", last_name="Visitor", roles=["BUILDER"]))
    slug = BuilderProfile.objects.exclude(pk=page.pk).get().slug
    assert slug is not None
    assert slug.startswith("vera-visitor-")


def test_other_broken_rules_of_the_database_are_not_hidden(page: BuilderProfile) -> None:
    with pytest.raises(IntegrityError):
        editing.save(page, {"hourly_rate": -1}, actor=UserFactory.create(), origin=SYSTEM)


def test_a_page_without_an_address_is_nowhere(page: BuilderProfile) -> None:
    assert page_lookup.builder_page_url(page.user_id) == "/builders/olive/"
    BuilderProfile.objects.filter(pk=page.pk).update(slug=None)
    assert page_lookup.builder_page_url(page.user_id) == ""


@pytest.mark.parametrize(
    ("path", "typed"),
    (
        ("edit/about/", {"bio": "Typed for an hour."}),
        ("portfolio/new/", {"title": "Hive notes", "status": "live"}),
        ("portfolio/order/", {"project": ["1", "2"]}),
        ("publish/", {}),
    ),
)
@pytest.mark.parametrize("headers", ({}, HTMX), ids=("plain", "htmx"))
def test_what_was_opened_before_the_change_is_still_saved(
    page: BuilderProfile, path: str, typed: dict[str, Any], headers: dict[str, str]
) -> None:
    """The address may have changed in another tab while somebody was typing in this one."""
    move(page, "olive-apps")
    response = signed_in(page.user).post(f"/builders/olive/{path}", typed, headers=headers)
    assert response.status_code in (200, 204, 302, 303)
    assert AuditLog.objects.count() == (1 if "order" in path else 2)


def test_a_former_address_opens_nothing_to_others(page: BuilderProfile) -> None:
    move(page, "olive-apps")
    vera = signed_in(UserFactory.create())
    assert vera.post("/builders/olive/edit/about/", {"bio": "Mine."}).status_code == 403
    assert vera.post("/builders/olive/delete/").status_code == 403
