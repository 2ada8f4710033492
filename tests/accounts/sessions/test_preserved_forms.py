"""Forms posted with an expired session token are preserved, shown again and deleted."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models import EndedSession, PreservedForm
from accounts.sessions import preserved_forms
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, PAGE, signed_in, with_token
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
from tests.helpers.tokens import mint, new_key

pytestmark = pytest.mark.django_db

SUBMITTED = {"display_name": "Olive", "headline": "Łódź & more: <b>", "searchable": "on"}


def end_session(person: Any) -> None:
    EndedSession.objects.create(session_id=f"sess_{person.clerk_id[5:]}", clerk_id=person.clerk_id, ended_at=SINCE)


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create()
    return profile


def form_url(page: BuilderProfile) -> str:
    return f"/builders/{page.slug}/edit/introduction/"


def post(page: BuilderProfile, browser: Client, **headers: str) -> Any:
    return browser.post(form_url(page), SUBMITTED, headers=PAGE | headers)


def test_preserved_input_is_shown_again_and_can_be_saved(page: BuilderProfile) -> None:
    headline = page.headline
    saved = post(page, signed_in(page.user, expired=True))
    assert (saved.status_code, saved["Location"]) == (303, f"{form_url(page)}?draft=1")
    browser = signed_in(page.user)
    shown = browser.get(saved["Location"])
    assert shown.context["form"].data["headline"] == SUBMITTED["headline"]
    assert "Łódź &amp; more: &lt;b&gt;" in shown.content.decode()
    assert "Your changes have not been saved yet" in shown.content.decode()
    page.refresh_from_db()
    assert page.headline == headline
    assert post(page, browser).status_code == 302
    page.refresh_from_db()
    assert page.headline == SUBMITTED["headline"]
    assert not PreservedForm.objects.exists()


def test_redirect_goes_through_the_handshake(page: BuilderProfile) -> None:
    browser = signed_in(page.user, expired=True)
    handshake = browser.get(post(page, browser)["Location"], headers=PAGE)
    assert handshake.status_code == 307
    assert "/v1/client/handshake?" in handshake["Location"]
    assert "%2Fedit%2Fintroduction%2F%3Fdraft%3D1" in handshake["Location"]


def test_form_of_an_ended_session_is_preserved_until_sign_in(page: BuilderProfile) -> None:
    end_session(page.user)
    saved = post(page, signed_in(page.user))
    assert saved.status_code == 303
    to_sign_in = signed_in(page.user).get(saved["Location"], headers=PAGE)
    assert to_sign_in["Location"] == f"/sign-in/?next=%2Fbuilders%2F{page.slug}%2Fedit%2Fintroduction%2F%3Fdraft%3D1"


def test_form_with_a_token_without_party_is_preserved(page: BuilderProfile) -> None:
    saved = post(page, with_token(mint(page.user.clerk_id or "", azp=None)))
    assert (saved.status_code, saved["Location"]) == (303, f"{form_url(page)}?draft=1")
    shown = signed_in(page.user).get(saved["Location"])
    assert shown.context["form"].data["headline"] == SUBMITTED["headline"]


def test_other_users_do_not_see_the_preserved_form(page: BuilderProfile) -> None:
    post(page, signed_in(page.user, expired=True))
    shown = signed_in(UserFactory.create(admin=True)).get(f"{form_url(page)}?draft=1")
    assert shown.status_code == 200
    assert not shown.context["form"].is_bound


def test_form_with_a_forged_token_is_not_preserved(page: BuilderProfile) -> None:
    forged = with_token(mint(str(page.user.clerk_id), key=new_key(), age_s=3600))
    response = post(page, forged)
    assert (response.status_code, response["Location"]) == (
        302,
        f"/sign-in/?next=%2Fbuilders%2F{page.slug}%2Fedit%2Fintroduction%2F",
    )
    assert not PreservedForm.objects.exists()


def test_form_from_another_site_is_not_preserved(page: BuilderProfile) -> None:
    response = post(page, signed_in(page.user, expired=True, enforce_csrf_checks=True))
    assert response.status_code == 403
    assert not PreservedForm.objects.exists()


def test_form_with_an_invalid_csrf_token_is_preserved(page: BuilderProfile) -> None:
    """The cookie was cleared or replaced after the page was opened."""
    browser = signed_in(page.user, enforce_csrf_checks=True)
    saved = post(page, browser, **{"sec-fetch-site": "same-origin"})
    assert (saved.status_code, saved["Location"]) == (303, f"{form_url(page)}?draft=1")
    shown = browser.get(saved["Location"])
    assert shown.context["form"]["headline"].value() == SUBMITTED["headline"]
    token = shown.context["csrf_token"]
    assert browser.post(form_url(page), SUBMITTED | {"csrfmiddlewaretoken": token}).status_code == 302


@pytest.mark.parametrize("site", ("cross-site", "same-site", "none", ""))
def test_cross_site_form_is_rejected(page: BuilderProfile, site: str) -> None:
    browser = signed_in(page.user, enforce_csrf_checks=True)
    assert post(page, browser, **{"sec-fetch-site": site}).status_code == 403
    assert not PreservedForm.objects.exists()


def test_only_forms_of_known_users_are_preserved_without_a_csrf_token(page: BuilderProfile) -> None:
    same_origin = {"sec-fetch-site": "same-origin"}
    browser = signed_in(page.user, enforce_csrf_checks=True)
    assert browser.post("/account/exports/", headers=same_origin).status_code == 403
    assert browser.post("/nowhere/", headers=same_origin).status_code == 404
    assert Client(enforce_csrf_checks=True).post(form_url(page), SUBMITTED, headers=same_origin).status_code == 403
    assert not PreservedForm.objects.exists()


def test_csrf_token_is_not_stored(page: BuilderProfile) -> None:
    signed_in(page.user, expired=True).post(form_url(page), SUBMITTED | {"csrfmiddlewaretoken": "x" * 64}, headers=PAGE)
    assert "csrf" not in PreservedForm.objects.get().fields


def test_latest_input_is_shown(page: BuilderProfile) -> None:
    browser = signed_in(page.user, expired=True)
    post(page, browser)
    browser.post(form_url(page), {"headline": "Second thoughts"}, headers=PAGE)
    shown = signed_in(page.user).get(f"{form_url(page)}?draft=1")
    assert shown.context["form"]["headline"].value() == "Second thoughts"


def test_expired_forms_are_hidden_and_deleted(page: BuilderProfile) -> None:
    post(page, signed_in(page.user, expired=True))
    assert preserved_forms.delete_expired() == 0
    PreservedForm.objects.update(saved_at=timezone.now() - timedelta(minutes=61))
    assert not signed_in(page.user).get(f"{form_url(page)}?draft=1").context["form"].is_bound
    assert preserved_forms.delete_expired() == 1


def test_signing_out_works_with_an_expired_token(page: BuilderProfile) -> None:
    signed_in(page.user, expired=True).post("/sign-out/", headers=PAGE)
    assert EndedSession.objects.get().clerk_id == page.user.clerk_id


def old_token(page: BuilderProfile) -> Client:
    return with_token(mint(str(page.user.clerk_id), age_s=400 * 24 * 3600))


def test_form_with_an_old_token_is_not_preserved(page: BuilderProfile) -> None:
    response = post(page, old_token(page))
    assert (response.status_code, response["Location"].partition("?")[0]) == (302, "/sign-in/")
    csrf_failure = post(
        page, with_token(mint(str(page.user.clerk_id), age_s=400 * 24 * 3600), enforce_csrf_checks=True)
    )
    assert csrf_failure.status_code == 403
    assert not PreservedForm.objects.exists()


def test_old_token_does_not_end_a_session(page: BuilderProfile, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    response = old_token(page).post("/sign-out/", headers=PAGE)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert not EndedSession.objects.exists()
    assert not ProcrastinateJob.objects.exists()


def test_expired_token_of_an_unknown_user_does_nothing(page: BuilderProfile) -> None:
    browser = with_token(mint("user_unknown", age_s=600))
    assert post(page, browser).status_code == 302
    browser.post("/sign-out/", headers=PAGE)
    assert not PreservedForm.objects.exists()
    assert not EndedSession.objects.exists()


def test_expired_token_without_a_session_does_nothing(page: BuilderProfile) -> None:
    assert post(page, with_token(mint(str(page.user.clerk_id), age_s=600, sid=None))).status_code == 302
    assert not PreservedForm.objects.exists()


def test_repeated_sign_out_ends_the_clerk_session_once(page: BuilderProfile, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    token = mint(str(page.user.clerk_id), age_s=600)
    for _ in range(3):
        with_token(token).post("/sign-out/", headers=PAGE)
    assert ProcrastinateJob.objects.filter(task_name__endswith=".revoke_session").count() == 1


# --- htmx ---


@pytest.mark.parametrize("method", ("get", "post"))
def test_htmx_request_with_an_expired_token_gets_401(page: BuilderProfile, method: str) -> None:
    response = getattr(signed_in(page.user, expired=True), method)(form_url(page), headers=HTMX)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "session-token-expired"
    assert not PreservedForm.objects.exists()


def test_htmx_request_of_an_ended_session_gets_401(page: BuilderProfile) -> None:
    end_session(page.user)
    assert signed_in(page.user).post(form_url(page), SUBMITTED, headers=HTMX).status_code == 401


def test_anonymous_htmx_request_is_answered() -> None:
    assert Client().get("/builders/", headers=HTMX).status_code == 200
