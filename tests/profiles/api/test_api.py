"""Reading profiles with the JSON API: fields by role, lists and errors."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit.log import Actor
from profiles.api.listing import PARAMETERS
from profiles.api.openapi import DOCUMENT
from profiles.api.patching import BUILDER_FORMS
from profiles.directory import vocabulary
from profiles.moderation.services import set_tier
from tests.helpers.factories import SINCE, BuilderProfileFactory, ClientProfileFactory, UserFactory
from tests.helpers.tokens import mint

pytestmark = pytest.mark.django_db

#: Every editable field that all viewers can read.
EDITED = {name for form_class in BUILDER_FORMS for name in form_class.base_fields} - {"display_name", "searchable"}
SUMMARY = EDITED - {"bio"} | {
    *("id", "url", "name", "image_url", "created_at", "featured"),
    *("validation_tier", "checked_items", "checked_projects", "checked_at"),
    *("availability_confirmed_at", "completed_projects"),
}
PUBLIC = SUMMARY | {"bio", "badges", "portfolio"}


def get(path: str, user: User | None = None, token: str = "") -> tuple[int, Any]:
    token = token or (mint(str(user.clerk_id)) if user else "")
    response = Client().get(path, headers={"authorization": f"Bearer {token}"} if token else {})
    assert response["Content-Type"] == "application/json"
    return response.status_code, response.json()


class TestBuilder:
    def test_visitors_get_public_fields_only(self) -> None:
        profile = BuilderProfileFactory.create(introduced=True)
        for user in (None, UserFactory.create(), UserFactory.create(builder=True)):
            status, data = get(f"/api/profiles/builders/{profile.pk}", user)
            assert status == 200
            assert data.keys() == PUBLIC
            assert str(profile.user.email) not in json.dumps(data)
            assert str(profile.user.clerk_id) not in json.dumps(data)

    def test_response_states_what_was_checked_and_when(self) -> None:
        profile, adam = BuilderProfileFactory.create(), UserFactory.create(admin=True)
        path = f"/api/profiles/builders/{profile.pk}"
        names = ("validation_tier", "checked_items", "checked_projects", "checked_at")
        data = get(path)[1]
        assert [data[name] for name in names] == [1, [], 0, None]
        set_tier(profile, 2, "Seen", actor=Actor(user=adam), checked_items=["identity"], checked_projects=2)
        data = get(path)[1]
        assert [data[name] for name in names[:3]] == [2, ["identity"], 2]
        assert data["checked_at"]
        assert "Seen" not in json.dumps(data)

    def test_owner_and_admin_get_private_fields(self) -> None:
        profile = BuilderProfileFactory.create(hidden=True)
        for user, role in ((profile.user, "owner"), (UserFactory.create(admin=True), "admin")):
            status, data = get(f"/api/profiles/builders/{profile.pk}", user)
            assert status == 200
            assert data["private"]["email"] == profile.user.email
            assert data["private"]["hidden_at"]
            assert data["access"]["role"] == role

    @pytest.mark.parametrize("trait", ("archived", "hidden", "unpublished", "deleted"))
    def test_hidden_profile_returns_404_for_other_users(self, trait: str) -> None:
        profile = BuilderProfileFactory.create(**{trait: True})
        for user in (None, UserFactory.create()):
            status, data = get(f"/api/profiles/builders/{profile.pk}", user)
            assert (status, data["error"]["code"]) == (404, "not_found")

    @pytest.mark.parametrize("pk", ("0", "999999999999999999", "9" * 40, "-1", "x", "1.5", "%00"))
    def test_invalid_ids_return_404(self, pk: str) -> None:
        assert get(f"/api/profiles/builders/{pk}")[0] == 404


class TestClient:
    def test_client_is_visible_to_owner_and_admins_only(self) -> None:
        profile = ClientProfileFactory.create()
        path = f"/api/profiles/clients/{profile.pk}"
        others = (None, UserFactory.create(), UserFactory.create(builder=True), UserFactory.create(client=True))
        assert {get(path, user)[0] for user in others} == {404}
        assert get(path, profile.user)[1]["private"]["email"] == profile.user.email
        assert get(path, UserFactory.create(admin=True))[0] == 200


class TestMe:
    def test_me_returns_user_and_profiles(self) -> None:
        profile = BuilderProfileFactory.create()
        status, data = get("/api/profiles/me", profile.user)
        assert status == 200
        assert data["user"]["clerk_id"] == profile.user.clerk_id
        assert data["builder"]["id"] == profile.pk
        assert data["client"] is None

    def test_me_uses_five_queries(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        profile = BuilderProfileFactory.create()
        with django_assert_num_queries(5):
            get("/api/profiles/me", profile.user)

    def test_provisional_user_is_being_set_up(self) -> None:
        assert get("/api/profiles/me", token=mint("user_2unheardof"))[1]["user"]["is_being_set_up"] is True

    @pytest.mark.parametrize(
        ("token", "code"),
        (
            ("", "dev-browser-missing"),
            (mint("user_2olive", age_s=600), "token_expired"),
            (mint("user_2olive", azp="https://evil.example"), "token_wrong_party"),
            ("junk", "token_malformed"),
        ),
    )
    def test_401_contains_the_reason(self, token: str, code: str) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # API requests are not redirected to Clerk, even if they have the headers of a page request.
        response = Client().get("/api/profiles/me", headers=headers | {"sec-fetch-dest": "document"})
        assert (response.status_code, response.json()["error"]["code"]) == (401, code)
        assert response["WWW-Authenticate"].startswith("Bearer")

    def test_valid_token_of_banned_user_is_rejected(self) -> None:
        status, data = get("/api/profiles/me", UserFactory.create(banned=True))
        assert (status, data["error"]["code"]) == (401, "session_ended")


class TestList:
    def test_list_is_paginated(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        listed = [BuilderProfileFactory.create().pk for _ in range(52)]
        BuilderProfileFactory.create(unlisted=True)
        BuilderProfileFactory.create(hidden=True)
        with django_assert_num_queries(2):  # One query for the matching ids and one for their rows.
            _, first = get("/api/profiles/builders")
        _, second = get(f"/api/profiles/builders?before={first['next_before']}")
        assert get(first["next"])[1] == second
        assert [one["id"] for one in first["results"] + second["results"]] == listed[::-1]
        assert (second["next"], second["next_before"]) == (None, None)
        assert all(one.keys() == SUMMARY for one in first["results"])

    def test_response_contains_corrected_query_and_kind_of_match(self) -> None:
        BuilderProfileFactory.create(skills=["Django"])
        vocabulary.rebuild()
        searches = {"": None, "?q=django": ("django", "all"), "?q=djnago": ("django", "all")}
        searches |= {"?q=django+zither": ("django zither", "any"), "?q=developer": ("developer", "everyone")}
        for query, expected in searches.items():
            _, page = get(f"/api/profiles/builders{query}")
            assert len(page["results"]) == 1
            assert page["search"] == (expected and dict(zip(("text", "match"), expected, strict=True)))

    @pytest.mark.parametrize(
        "params",
        (
            "q=gauss",
            "q=GAU%C3%9F",
            "q=unknown",
            "domain=ai",
            "domain=ai&domain=web",
            "skill=node+js",
            "tier=1&tier=3",
            "availability=limited",
            "rate=0",
            "q=ada&domain=web&tier=1&availability=available",
        ),
    )
    def test_list_returns_the_results_of_the_directory(self, params: str) -> None:
        stated: dict[str, Any] = {"availability": "available", "availability_confirmed_at": SINCE}
        ada = {"domains": ["ai", "web"], "skills": ["Node.js"], "hourly_rate": 20}
        BuilderProfileFactory.create(user__name="Ada Gauß", **ada, **stated)
        ben = {"domains": ["ai"], "validation_tier": 3}
        BuilderProfileFactory.create(user__name="Ben Gauss", **ben, **(stated | {"availability": "limited"}))
        BuilderProfileFactory.create(user__name="Ada Other", domains=["web"], featured_at=SINCE)
        page = Client().get(f"/builders/?sort=newest&{params}").context["page"]
        _, data = get(f"/api/profiles/builders?{params}")
        assert [one["id"] for one in data["results"]] == [builder.pk for builder in page.builders]
        assert data["results"] or params == "q=unknown"

    def test_next_page_keeps_filters(self) -> None:
        wanted = [BuilderProfileFactory.create(domains=["ai"], skills=["Node.js"]).pk for _ in range(51)]
        BuilderProfileFactory.create(domains=["web"])
        _, first = get("/api/profiles/builders?domain=ai&skill=Node.js&q=node")
        assert first["next"] == f"/api/profiles/builders?q=node&domain=ai&skill=Node.js&before={wanted[1]}"
        _, second = get(first["next"])
        assert ([one["id"] for one in second["results"]], second["next"]) == (wanted[:1], None)

    @pytest.mark.parametrize(
        ("params", "invalid"),
        (
            ("tier=9", "tier"),
            ("tier=1&tier=x", "tier"),
            ("domain=", "domain"),
            ("availability=Available", "availability"),
            ("rate=-1", "rate"),
            ("skill=!!!", "skill"),
            ("skill=" + "x" * 41, "skill"),
            ("&".join(["domain=ai"] * 9), "domain"),
            ("q=" + "x" * 201, "q"),
        ),
    )
    def test_invalid_filters_are_rejected(self, params: str, invalid: str) -> None:
        status, data = get(f"/api/profiles/builders?{params}")
        assert (status, list(data["error"]["fields"])) == (422, [invalid])

    @pytest.mark.parametrize("before", ("", "junk", "-1", "0", "9" * 30))
    def test_invalid_cursor_is_rejected(self, before: str) -> None:
        status, data = get(f"/api/profiles/builders?before={before}")
        assert (status, data["error"]["code"]) == (400, "bad_cursor")


class TestUnknownParameters:
    @pytest.mark.parametrize(
        ("params", "name"),
        (("teir=3", "teir"), ("tier=3&page=2", "page"), ("after=7", "after"), ("=1", ""), ("Q=x", "Q")),
    )
    def test_list_names_the_unknown_parameter(self, params: str, name: str) -> None:
        status, data = get(f"/api/profiles/builders?{params}")
        assert (status, data["error"]["code"]) == (400, "unknown_parameter")
        assert data["error"]["message"] == (
            f"The query parameter `{name}` is unknown. "
            "This URL has these parameters: availability, before, domain, language, near, place, q, rate, skill, tier."
        )

    @pytest.mark.parametrize("path", ("/api/profiles/me", "/api/profiles/builders/{pk}", "/api/profiles/clients/{pk}"))
    @pytest.mark.parametrize("method", ("get", "patch", "delete"))
    def test_urls_without_parameters_accept_none(self, path: str, method: str) -> None:
        user = UserFactory.create(builder=True, client=True)
        kind = "client" if "clients" in path else "builder"
        profile = (
            BuilderProfileFactory.create(user=user) if kind == "builder" else ClientProfileFactory.create(user=user)
        )
        headers = {"authorization": f"Bearer {mint(str(user.clerk_id))}", "if-match": "*"}
        response = getattr(Client(), method)(path.format(pk=profile.pk) + "?fields=name", headers=headers)
        assert response.status_code == 400
        assert response.json()["error"]["message"] == (
            "The query parameter `fields` is unknown. This URL has no parameters."
        )
        profile.refresh_from_db()
        assert profile.deleted_at is None

    def test_openapi_document_has_no_parameters(self) -> None:
        assert get("/api/openapi.json?x=1")[1]["error"]["code"] == "unknown_parameter"

    def test_long_and_hostile_names_are_truncated(self) -> None:
        message = get("/api/profiles/builders?%00%0A%E2%80%AE" + "x" * 5000)[1]["error"]["message"]
        assert message.startswith(f"The query parameter `{'x' * 50}` is unknown.")

    def test_description_lists_the_error_for_every_operation(self) -> None:
        operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
        assert all("unknown" in operation["responses"]["400"]["description"] for operation in operations)


class TestApi:
    def test_404_and_405_responses_are_json(self) -> None:
        assert get("/api/nowhere")[1]["error"]["code"] == "not_found"
        response = Client(enforce_csrf_checks=True).post(
            "/api/profiles/builders", headers={"authorization": f"Bearer {mint('user_2olive')}"}
        )
        assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")

    def test_only_cookie_authentication_requires_a_csrf_token(self) -> None:
        user = UserFactory.create()
        token = mint(str(user.clerk_id))
        by_header = Client(enforce_csrf_checks=True).post("/sign-out/", headers={"authorization": f"Bearer {token}"})
        by_cookie = Client(enforce_csrf_checks=True)
        by_cookie.cookies["__session"] = mint(str(user.clerk_id), sid="sess_other")
        junk = by_cookie.post("/sign-out/", headers={"authorization": "Bearer junk"})
        assert (by_header.status_code, by_cookie.post("/sign-out/").status_code, junk.status_code) == (302, 403, 403)

    def test_schemas_list_all_response_fields(self) -> None:
        profile = BuilderProfileFactory.create(user=UserFactory.create(builder=True, client=True))
        ClientProfileFactory.create(user=profile.user)
        data = get("/api/profiles/me", profile.user)[1]
        schemas = DOCUMENT["components"]["schemas"]
        assert data["user"].keys() == schemas["User"]["properties"].keys()
        for kind in ("builder", "client"):
            properties = schemas[kind.title()]["properties"]
            assert data[kind].keys() == properties.keys()
            assert data[kind]["private"].keys() == properties["private"]["properties"].keys()
            assert data[kind]["access"].keys() == properties["access"]["properties"].keys()

    def test_docs_page_lists_all_paths(self) -> None:
        page = Client().get("/api/docs/").content.decode()
        assert all(path in page for path in DOCUMENT["paths"])
        assert get("/api/openapi.json")[1]["openapi"] == "3.1.0"


class TestPage:
    def test_owner_sees_hidden_page_with_reason(self) -> None:
        profile = BuilderProfileFactory.create(hidden=True)
        headers = {"authorization": f"Bearer {mint(str(profile.user.clerk_id))}"}
        page = Client().get(profile.get_absolute_url(), headers=headers)
        assert "our team has hidden it" in page.content.decode()
        assert Client().get(profile.get_absolute_url()).status_code == 404

    def test_owner_of_public_page_sees_no_hint(self) -> None:
        profile = BuilderProfileFactory.create()
        headers = {"authorization": f"Bearer {mint(str(profile.user.clerk_id))}"}
        assert "can see this page" not in Client().get(profile.get_absolute_url(), headers=headers).content.decode()


def test_description_of_the_rate_filter_contains_amounts() -> None:
    """Pages show amounts in the visitor's currency, so the labels of the filter do not contain them."""
    [rate] = [parameter for parameter in PARAMETERS if parameter["name"] == "rate"]
    assert "0: under $40, 1: $40 to $80" in rate["description"]
    assert "4: $200 or more" in rate["description"]
