"""Both positions of each switch of profiles; how switches work at all is in tests/accounts/test_flags.py."""

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

    def test_on_the_owner_edits_where_it_stands(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", everyone=True)
        assert self.loads_htmx(signed_in(page.user), page)
        assert "js/htmx" in signed_in(page.user).get(f"/builders/{page.slug}/edit/about/").content.decode()

    def test_off_forms_are_pages_of_their_own(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", everyone=False)
        owner, form = signed_in(page.user), f"/builders/{page.slug}/edit/about/"
        assert not self.loads_htmx(owner, page)
        assert "js/htmx" not in owner.get(form).content.decode()
        assert form in owner.get(f"/builders/{page.slug}/").content.decode()
        assert owner.post(form, {"bio": "I build."}).status_code == 302
        assert "I build." in owner.get(f"/builders/{page.slug}/").content.decode()
        # A page that was open when it was switched off still works.
        assert owner.get(form, headers=HTMX).content.decode().lstrip().startswith("<section")

    def test_it_counts_for_one_and_not_for_another(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", users=[page.user])
        assert self.loads_htmx(signed_in(page.user), page)
        assert not self.loads_htmx(signed_in(UserFactory.create(admin=True)), page)

    def test_visitors_are_not_even_asked_about(self, page: BuilderProfile) -> None:
        flags.set_flag("in_place_editing", percent=50)
        visitor = Client()
        assert not self.loads_htmx(visitor, page)
        assert not visitor.cookies


class TestPublicApi:
    ADDRESSES = ("/api/profiles/me", "/api/profiles/builders", "/api/profiles/builders/1", "/api/profiles/clients/1")

    def test_off_every_address_says_so(self) -> None:
        flags.set_flag("public_api", everyone=False)
        profile = ClientProfileFactory.create()
        client = Client(headers={"authorization": f"Bearer {mint(str(profile.user.clerk_id))}"})
        for address in (*self.ADDRESSES, f"/api/profiles/clients/{profile.pk}"):
            for method in ("get", "patch", "delete", "post"):
                response = getattr(client, method)(address)
                assert response.status_code == 503
                assert response.json()["error"] == {
                    "code": "switched_off",
                    "message": "The API is switched off. Try again later.",
                }
        assert client.get("/api/docs/").status_code == 200

    def test_on_it_answers(self, page: BuilderProfile) -> None:
        flags.set_flag("public_api", everyone=True)
        assert Client().get(f"/api/profiles/builders/{page.pk}").status_code == 200


class TestDirectoryFacets:
    @pytest.mark.parametrize("position", (True, False))
    def test_the_directory_knows_its_position(self, position: bool) -> None:  # noqa: FBT001
        flags.set_flag("directory_facets", everyone=position)
        BuilderProfileFactory.create(domains=["health"])
        response = Client().get("/builders/?domain=web")
        assert response.context["has_facets"] is position
        assert (response.context["query"].filters == {}) is not position
        for sign_of_it in ('class="facet"', 'popovertarget="sheet"'):
            assert (sign_of_it in response.content.decode()) is position
