"""The client profile form for its owner and for admins."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import PreservedForm
from audit.models import AuditLog
from profiles.models import ClientProfile
from tests.helpers.clients import HTMX, PAGE, signed_in
from tests.helpers.factories import ClientProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

OWN = "/account/client/"
TYPED = {"company_name": "Żubr & Söhne", "industry": "Farming", "project_preferences": "Small\r\nand soon"}


@pytest.fixture
def clio() -> ClientProfile:
    profile: ClientProfile = ClientProfileFactory.create(company_name="Clio Ltd")
    return profile


def test_owner_can_view_and_edit(clio: ClientProfile) -> None:
    browser = signed_in(clio.user)
    assert 'value="Clio Ltd"' in browser.get(OWN).content.decode()
    response = browser.post(OWN, TYPED)
    assert (response.status_code, response["Location"]) == (302, OWN)
    assert "Saved." in browser.get(OWN).content.decode()
    clio.refresh_from_db()
    assert (clio.company_name, clio.industry, clio.project_preferences) == (
        "Żubr & Söhne",
        "Farming",
        "Small\nand soon",
    )
    assert AuditLog.objects.get().changed_fields == ["company_name", "industry", "project_preferences"]


@pytest.mark.parametrize("page", ({}, {"hx-current-url": "http://testserver/account/"}))
def test_htmx_request_from_any_page_is_redirected_to_the_form(clio: ClientProfile, page: dict[str, str]) -> None:
    response = signed_in(clio.user).post(OWN, TYPED, headers=HTMX | page)
    assert (response.status_code, response["HX-Redirect"]) == (200, OWN)


def test_admin_edits_at_a_separate_url(clio: ClientProfile) -> None:
    adam = UserFactory.create(admin=True)
    url = f"/clients/{clio.pk}/edit/"
    assert signed_in(adam).post(url, TYPED)["Location"] == url
    assert AuditLog.objects.get().actor == adam


def test_htmx_redirects_to_the_page(clio: ClientProfile) -> None:
    headers = HTMX | {"hx-current-url": f"http://testserver{OWN}"}
    assert signed_in(clio.user).post(OWN, TYPED, headers=headers)["HX-Redirect"] == OWN


def test_conflicting_edits_are_rejected(clio: ClientProfile) -> None:
    browser = signed_in(clio.user)
    version = browser.get(OWN).context["version"]
    browser.post(OWN, {"company_name": "First"})
    response = browser.post(OWN, TYPED | {"version": version})
    assert response.status_code == 409
    assert response.context["differences"][0].stored == "First"
    clio.refresh_from_db()
    assert clio.company_name == "First"


def test_form_posted_after_sign_out_is_preserved(clio: ClientProfile) -> None:
    kept = signed_in(clio.user, expired=True).post(OWN, TYPED, headers=PAGE)
    assert (kept.status_code, kept["Location"]) == (303, f"{OWN}?draft=1")
    shown: Any = signed_in(clio.user).get(kept["Location"])
    assert shown.context["form"]["industry"].value() == "Farming"
    assert PreservedForm.objects.count() == 1


def test_other_users_get_404(clio: ClientProfile) -> None:
    vera = signed_in(UserFactory.create(builder=True))
    assert vera.get(OWN).status_code == 404
    for browser in (vera, Client()):
        assert browser.get(f"/clients/{clio.pk}/edit/").status_code == 404
    assert Client().get(OWN)["Location"] == "/sign-in/?next=%2Faccount%2Fclient%2F"
