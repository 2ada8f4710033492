"""The profiles app with its feature flags enabled and disabled. tests/accounts/test_flags.py tests flag evaluation."""

import pytest
from django.test import Client

from profiles.models import BuilderProfile
from tests.helpers import flags
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory
from tests.helpers.tokens import mint

pytestmark = pytest.mark.django_db


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create()
    return profile


class TestInPlaceEditing:
    def loads_htmx(self, browser: Client, page: BuilderProfile) -> bool:
        return "htmx" in browser.get(f"/builders/{page.slug}/").content.decode()

    def test_enabled_sections_are_edited_in_place(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", everyone=True)
        assert self.loads_htmx(signed_in(page.user), page)
        assert "js/htmx" in signed_in(page.user).get(f"/builders/{page.slug}/edit/about/").content.decode()

    def test_disabled_forms_are_separate_pages(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", everyone=False)
        owner, form = signed_in(page.user), f"/builders/{page.slug}/edit/about/"
        assert not self.loads_htmx(owner, page)
        assert "js/htmx" not in owner.get(form).content.decode()
        assert form in owner.get(f"/builders/{page.slug}/").content.decode()
        assert owner.post(form, {"bio": "I build."}).status_code == 302
        assert "I build." in owner.get(f"/builders/{page.slug}/").content.decode()
        # A page that was opened before the flag was disabled still works.
        assert owner.get(form, headers=HTMX).content.decode().lstrip().startswith("<section")

    def test_flag_applies_to_selected_users_only(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", users=[page.user])
        assert self.loads_htmx(signed_in(page.user), page)
        assert not self.loads_htmx(signed_in(UserFactory.create(admin=True)), page)

    def test_visitors_are_not_affected(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", percent=50)
        visitor = Client()
        assert not self.loads_htmx(visitor, page)
        assert not visitor.cookies


class TestPublicApi:
    URLS = ("/api/profiles/me", "/api/profiles/builders", "/api/profiles/builders/1", "/api/profiles/clients/1")

    def test_disabled_api_returns_503(self) -> None:
        flags.set_flag("public_api", everyone=False)
        profile = ClientProfileFactory.create()
        client = Client(headers={"authorization": f"Bearer {mint(str(profile.user.clerk_id))}"})
        for url in (*self.URLS, f"/api/profiles/clients/{profile.pk}"):
            for method in ("get", "patch", "delete", "post"):
                response = getattr(client, method)(url)
                assert response.status_code == 503
                assert response.json()["error"] == {
                    "code": "switched_off",
                    "message": "The API is switched off. Try again later.",
                }
        assert client.get("/api/docs/").status_code == 200

    def test_enabled_api_responds(self, page: BuilderProfile) -> None:
        flags.set_flag("public_api", everyone=True)
        assert Client().get(f"/api/profiles/builders/{page.pk}").status_code == 200


class TestDirectoryFacets:
    @pytest.mark.parametrize("is_enabled", (True, False))
    def test_directory_shows_filters_only_if_enabled(self, is_enabled: bool) -> None:  # noqa: FBT001
        flags.set_flag("directory_facets", everyone=is_enabled)
        BuilderProfileFactory.create(domains=["health"])
        response = Client().get("/builders/?domain=web")
        assert response.context["has_facets"] is is_enabled
        assert (response.context["query"].filters == {}) is not is_enabled
        for marker in ('class="facet"', 'popovertarget="sheet"'):
            assert (marker in response.content.decode()) is is_enabled
