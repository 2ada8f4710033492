"""Slug changes and former slugs of builder pages."""

from typing import Any

import pytest
from django.db import IntegrityError

from audit.log import Actor
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


def change_slug(page: BuilderProfile, slug: str, **options: Any) -> Any:
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
        ("कविता हिन्दी", "कविता-हिन्दी"),
        ("https://profiles.example.com/builders/%E0%A4%95%E0%A4%B5%E0%A4%BF%E0%A4%A4%E0%A4%BE/", "कविता"),
        ("Olive", "olive"),
    ),
)
def test_input_is_converted_to_a_slug(page: BuilderProfile, typed: str, slug: str) -> None:
    response = change_slug(page, typed)
    assert response.status_code == 302
    page.refresh_from_db()
    assert page.slug == slug
    assert signed_in(page.user).get(response["Location"]).status_code == 200


def test_former_slug_is_kept_and_change_is_audited(page: BuilderProfile) -> None:
    change_slug(page, "olive-apps")
    assert FormerSlug.objects.get().slug == "olive"
    assert AuditLog.objects.get().details == {"slug": ["olive", "olive-apps"]}


def test_htmx_redirects_to_the_new_url(page: BuilderProfile) -> None:
    assert change_slug(page, "olive-apps", headers=HTMX)["HX-Redirect"] == "/builders/olive-apps/"


def test_former_slug_can_be_used_again(page: BuilderProfile) -> None:
    for slug in ("olive-apps", "olive", "olive-apps"):
        assert change_slug(page, slug).status_code == 302
    assert [former.slug for former in FormerSlug.objects.all()] == ["olive"]


@pytest.mark.parametrize("typed", ("vera", "VÉRA", "vera-before"))
def test_current_and_former_slugs_of_others_are_taken(page: BuilderProfile, typed: str) -> None:
    vera = BuilderProfileFactory.create(slug="vera")
    FormerSlug.objects.create(slug="vera-before", builder=vera)
    response = change_slug(page, typed)
    assert response.status_code == 422
    assert response.context["form"].errors == {"slug": [slug_history.SLUG_TAKEN]}
    page.refresh_from_db()
    assert page.slug == "olive"


@pytest.mark.parametrize("typed", ("admin", "New", "ÁPI", "/builders/edit/", "me"))
def test_reserved_words_are_rejected(page: BuilderProfile, typed: str) -> None:
    response = change_slug(page, typed)
    assert response.status_code == 422
    assert response.context["form"].errors == {"slug": [slug_history.SLUG_RESERVED]}
    page.refresh_from_db()
    assert page.slug == "olive"


def test_page_with_a_newly_reserved_slug_can_be_saved(page: BuilderProfile) -> None:
    BuilderProfile.objects.update(slug="edit")
    page.refresh_from_db()
    assert change_slug(page, "edit").status_code == 302


def test_slug_taken_concurrently_is_rejected(page: BuilderProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    BuilderProfileFactory.create(slug="vera")
    monkeypatch.setattr(slug_history, "slug_error", lambda slug, profile: None)
    monkeypatch.setattr(BuilderProfile, "validate_constraints", lambda self, exclude=None: None)
    response = change_slug(page, "vera")
    assert response.status_code == 422
    assert response.context["form"].errors == {"slug": [slug_history.SLUG_TAKEN]}
    assert not FormerSlug.objects.exists()


def test_number_of_former_slugs_is_limited(page: BuilderProfile) -> None:
    for number in range(slug_history.MAX_FORMER_SLUGS):
        assert change_slug(page, f"olive-{number}").status_code == 302
    assert "Your page has already had ten URLs." in change_slug(page, "one-more").content.decode()
    assert change_slug(page, "olive-3").status_code == 302


def test_new_builder_does_not_get_a_former_slug(page: BuilderProfile, webhook: WebhookClient) -> None:
    FormerSlug.objects.create(slug="vera-visitor", builder=page)
    webhook.created(person(first_name="Vera", last_name="Visitor", roles=["BUILDER"]))
    slug = BuilderProfile.objects.exclude(pk=page.pk).get().slug
    assert slug is not None
    assert slug.startswith("vera-visitor-")


def test_other_integrity_errors_are_raised(page: BuilderProfile) -> None:
    with pytest.raises(IntegrityError):
        editing.save(page, {"hourly_rate": -1}, actor=Actor(user=UserFactory.create()))


def test_profile_without_slug_has_no_url(page: BuilderProfile) -> None:
    assert page_lookup.builder_page_url(page.user_id) == "/builders/olive/"
    BuilderProfile.objects.filter(pk=page.pk).update(slug=None)
    assert page_lookup.builder_page_url(page.user_id) == ""


@pytest.mark.parametrize(
    ("path", "typed"),
    (
        ("edit/about/", {"bio": "Written over an hour."}),
        ("portfolio/new/", {"title": "Hive notes", "status": "live"}),
        ("portfolio/order/", {"project": ["1", "2"]}),
        ("publish/", {}),
    ),
)
@pytest.mark.parametrize("headers", ({}, HTMX), ids=("plain", "htmx"))
def test_form_opened_before_the_slug_change_is_saved(
    page: BuilderProfile, path: str, typed: dict[str, Any], headers: dict[str, str]
) -> None:
    """The slug may change in another tab while a form is open."""
    change_slug(page, "olive-apps")
    response = signed_in(page.user).post(f"/builders/olive/{path}", typed, headers=headers)
    assert response.status_code in (200, 204, 302, 303)
    assert AuditLog.objects.count() == (1 if "order" in path else 2)


def test_former_slug_grants_no_access_to_others(page: BuilderProfile) -> None:
    change_slug(page, "olive-apps")
    vera = signed_in(UserFactory.create())
    assert vera.post("/builders/olive/edit/about/", {"bio": "Mine."}).status_code == 403
    assert vera.post("/builders/olive/delete/").status_code == 403
