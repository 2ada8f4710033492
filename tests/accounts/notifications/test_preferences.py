"""Users choose at /account/notifications/ which emails they get, and their language."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import NotificationPreferences, User
from accounts.notifications import preferences
from accounts.notifications.kinds import kinds, optional_kinds
from tests.accounts.notifications.conftest import OPTIONAL
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db
URL = "/account/notifications/"


def all_on(**changes: str) -> dict[str, str]:
    return {kind.key: "on" for kind in optional_kinds()} | {"language": "en"} | changes


def test_everything_is_on_at_first(vera: User) -> None:
    response = signed_in(vera).get(URL)
    assert all(response.context["form"].initial[kind.key] for kind in optional_kinds())
    text = response.content.decode()
    assert "We send emails to vera@example.com." in text
    assert "An alarm is important." in text


def test_choices_are_saved_and_shown(vera: User) -> None:
    chosen = all_on(language="ar")
    del chosen[OPTIONAL]
    assert signed_in(vera).post(URL, chosen).status_code == 302
    stored = NotificationPreferences.objects.get()
    assert (stored.turned_off, stored.language) == ([OPTIONAL], "ar")
    form = signed_in(vera).get(URL).context["form"]
    assert (form.initial[OPTIONAL], form.initial["language"]) == (False, "ar")
    signed_in(vera).post(URL, all_on())
    stored.refresh_from_db()
    assert (stored.turned_off, stored.language) == ([], "en")


@pytest.mark.parametrize("language", ("", "xx", "\x00", "de" * 5000))
def test_unknown_language_is_rejected(vera: User, language: str) -> None:
    response = signed_in(vera).post(URL, all_on(language=language))
    assert response.status_code == 422
    assert not NotificationPreferences.objects.exists()


def test_unknown_kinds_stay_off(vera: User) -> None:
    """A kind of the previous or the next release keeps its choice."""
    NotificationPreferences.objects.create(user=vera, turned_off=["of_another_release"])
    signed_in(vera).post(URL, all_on(unknown="on"))
    assert NotificationPreferences.objects.get().turned_off == ["of_another_release"]


def test_language_of_the_page_is_the_default() -> None:
    olive = BuilderProfileFactory.create(page_language="de").user
    chosen = preferences.preferences_of(olive)
    assert preferences.language_of(chosen) == "de"
    preferences.save(olive, turned_off=[], language="ar")
    assert preferences.language_of(preferences.preferences_of(olive)) == "ar"


def test_user_without_verified_address_sees_why_there_are_no_emails(vera: User) -> None:
    User.objects.update(email_verified_at=None)
    text = signed_in(vera).get(URL).content.decode()
    assert "We cannot send you emails" in text
    assert "Verify email address" in text


@pytest.mark.parametrize("is_admin", (False, True))
def test_emails_to_admins_are_listed_only_for_admins(*, is_admin: bool) -> None:
    user = UserFactory.create(admin=is_admin)
    assert ("New admins" in signed_in(user).get(URL).content.decode()) is is_admin


def test_account_page_links_to_the_settings(vera: User) -> None:
    assert f'href="{URL}"' in signed_in(vera).get("/account/").content.decode()


def test_form_posted_with_expired_session_is_preserved(vera: User) -> None:
    response = signed_in(vera, expired=True).post(URL, all_on())
    assert (response.status_code, response["Location"]) == (303, f"{URL}?draft=1")


def test_page_executes_two_queries(vera: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    preferences.turn_off(vera, kinds[OPTIONAL])
    preferences.save(vera, turned_off=[], language="de")
    browser = signed_in(vera)
    with django_assert_num_queries(2):
        browser.get(URL)
