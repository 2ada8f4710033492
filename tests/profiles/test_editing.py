"""Editing the opening of a builder's page, as a page and in its place."""

from typing import Any

import pytest
from django.test import Client

from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, impersonating, signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

TYPED = {"display_name": "Olive O.", "headline": "Maps that work offline"}


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(user__name="Olive Owner")
    return profile


def save(page: BuilderProfile, browser: Client, typed: dict[str, str] | None = None, **options: Any) -> Any:
    return browser.post(f"/builders/{page.slug}/edit/introduction/", TYPED if typed is None else typed, **options)


def test_the_owner_saves_and_lands_on_the_page(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    response = save(page, browser)
    assert (response.status_code, response["Location"]) == (302, f"/builders/{page.slug}/")
    shown = browser.get(response["Location"]).content.decode()
    assert "Olive O." in shown
    assert "Maps that work offline" in shown
    assert "Saved." in shown
    page.refresh_from_db()
    assert (page.display_name, page.headline) == ("Olive O.", "Maps that work offline")


def test_one_row_of_the_audit_log_tells_who_changed_what(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True, name="Adam Admin")
    save(page, signed_in(adam))
    row = AuditLog.objects.get()
    assert (row.action, row.source, row.actor, row.subject, row.impersonator) == (
        "PROFILE_UPDATED",
        "request",
        adam,
        page.user,
        None,
    )
    assert row.details == {
        "display_name": ["", "Olive O."],
        "headline": ["", "Maps that work offline"],
    }


def test_the_audit_log_names_who_looks_through_a_persons_eyes(page: BuilderProfile) -> None:
    adam = UserFactory.create(admin=True)
    save(page, impersonating(page.user, adam))
    row = AuditLog.objects.get()
    assert (row.actor, row.impersonator) == (page.user, adam.clerk_id)


def test_saving_what_is_there_already_changes_nothing(page: BuilderProfile) -> None:
    browser = signed_in(page.user)
    save(page, browser)
    save(page, browser)
    assert AuditLog.objects.count() == 1


def test_htmx_puts_the_form_in_the_place_of_the_opening_and_back(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(f"/builders/{page.slug}/edit/introduction/").content.decode()
    assert form.lstrip().startswith('<form class="form" id="section-introduction"')
    opening = save(page, browser).content.decode()
    assert opening.lstrip().startswith('<section class="section" id="section-introduction"')
    assert "Saved." in opening


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_a_bad_form_is_shown_again_with_what_was_typed(page: BuilderProfile, headers: dict[str, str]) -> None:
    response = save(page, signed_in(page.user), {"headline": "x" * 161, "display_name": "Olive"}, headers=headers)
    text = response.content.decode()
    assert response.status_code == 422
    assert "Shorten this to 160 characters; it has 161." in text
    assert "x" * 161 in text
    page.refresh_from_db()
    assert (page.headline, page.display_name) == ("", "")


@pytest.mark.parametrize("typed", ("a\x00b", "\ud800"))
def test_characters_the_database_cannot_keep_are_refused_or_taken_out(page: BuilderProfile, typed: str) -> None:
    body = b"headline=" + ("".join(f"%{byte:02x}" for byte in typed.encode("utf-8", "surrogatepass"))).encode()
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/edit/introduction/", body, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code in (302, 422)


def test_visitors_are_offered_no_form(page: BuilderProfile) -> None:
    for browser in (Client(), signed_in(UserFactory.create(builder=True))):
        text = browser.get(f"/builders/{page.slug}/").content.decode()
        assert "edit/" not in text
        assert "htmx" not in text
    assert "edit/" in signed_in(page.user).get(f"/builders/{page.slug}/").content.decode()
