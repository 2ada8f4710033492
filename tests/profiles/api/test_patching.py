"""Changing and deleting profiles with the JSON API."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit.models import AuditLog
from profiles.models import Badge, BuilderProfile, ClientProfile, Project
from tests.helpers.clients import impersonating, signed_in, with_token
from tests.helpers.factories import SINCE, BuilderProfileFactory, ClientProfileFactory, UserFactory
from tests.helpers.tokens import mint

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(user__name="Olive Owner", headline="Before")
    return profile


def path_of(profile: BuilderProfile | ClientProfile) -> str:
    kind = "builders" if isinstance(profile, BuilderProfile) else "clients"
    return f"/api/profiles/{kind}/{profile.pk}"


def api_client(user: User) -> Client:
    """Return a client that enforces CSRF checks and sends a Bearer token."""
    return Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {mint(str(user.clerk_id))}"})


def patch(
    profile: BuilderProfile | ClientProfile,
    body: Any,
    *,
    user: User | None = None,
    if_match: str | None = "*",
    **extra: Any,
) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"if-match": if_match} if if_match else {}
    options = {"content_type": "application/json"} | extra
    response = api_client(user or profile.user).patch(path_of(profile), content, headers=headers, **options)
    return response.status_code, response.json()


class TestPatch:
    def test_only_given_fields_change(self, olive: BuilderProfile) -> None:
        changed = {
            "headline": "  Maps that\twork offline ",
            "bio": "One\r\n\r\nTwo",
            "skills": ["Django", " htmx "],
            "domains": ["web", "data"],
            "links": ["example.com/olive"],
            "hourly_rate": 85.5,
            "currency": "EUR",
            "searchable": False,
        }
        status, data = patch(olive, changed)
        assert status == 200
        expected = changed | {
            "headline": "Maps that work offline",
            "bio": "One\n\nTwo",
            "skills": ["Django", "htmx"],
            "links": ["https://example.com/olive"],
            "hourly_rate": "85.50",
        }
        assert data["private"].pop("searchable") is expected.pop("searchable")
        assert {name: data[name] for name in expected} == expected
        assert data["availability"] == "not_stated"
        olive.refresh_from_db()
        assert (olive.tagline, olive.searchable) == ("", False)

    def test_change_writes_one_audit_row(self, olive: BuilderProfile) -> None:
        adam = UserFactory.create(admin=True)
        patch(olive, {"headline": "After", "bio": "About", "hourly_rate": "85", "tagline": ""}, user=adam)
        row = AuditLog.objects.get()
        assert (row.action, row.actor, row.subject) == ("PROFILE_UPDATED", adam, olive.user)
        assert row.details == {"headline": ["Before", "After"], "bio": ["", "About"], "hourly_rate": [None, "85"]}

    def test_response_can_be_sent_back(self, olive: BuilderProfile) -> None:
        patch(olive, {"skills": ["C++", "日本語"], "links": ["https://example.com/a,b"], "hourly_rate": 1})
        data = api_client(olive.user).get(path_of(olive)).json()
        same = {name: data[name] for name in ("skills", "links", "hourly_rate", "bio", "time_zone", "domains")}
        assert patch(olive, same) == (200, data)
        assert AuditLog.objects.count() == 1

    def test_slug_taken_concurrently_is_rejected(self, olive: BuilderProfile, monkeypatch: pytest.MonkeyPatch) -> None:
        BuilderProfileFactory.create(slug="taken")
        monkeypatch.setattr("profiles.slug_history.slug_error", lambda *_: None)
        status, data = patch(olive, {"slug": "taken", "headline": "After"})
        assert (status, data["error"]["fields"].keys()) == (422, {"slug"})
        olive.refresh_from_db()
        assert olive.headline == "Before"

    def test_owner_confirms_availability_by_sending_it(self, olive: BuilderProfile) -> None:
        assert patch(olive, {"headline": "After"})[1]["availability_confirmed_at"] is None
        adam = UserFactory.create(admin=True)
        assert patch(olive, {"availability": "limited"}, user=adam)[1]["availability_confirmed_at"] is None
        assert patch(olive, {"availability": "limited"})[1]["availability_confirmed_at"]

    def test_slug_is_validated(self, olive: BuilderProfile) -> None:
        other = BuilderProfileFactory.create(slug="taken")
        before = olive.slug
        status, data = patch(olive, {"slug": "Olive’s Maps"})
        assert (status, data["slug"], data["url"]) == (200, "olives-maps", "/builders/olives-maps/")
        for slug in ("taken", ""):
            status, data = patch(olive, {"slug": slug, "headline": "After"})
            assert (status, data["error"]["fields"].keys()) == (422, {"slug"})
        assert patch(other, {"slug": before})[0] == 422
        assert patch(olive, {"slug": before})[1]["slug"] == before

    def test_stored_values_of_other_fields_are_not_validated(self, olive: BuilderProfile) -> None:
        BuilderProfile.objects.update(time_zone="Gone/Away")
        status, data = patch(olive, {"location": "Łódź"})
        assert (status, data["location"], data["time_zone"]) == (200, "Łódź", "Gone/Away")

    def test_empty_patch_changes_nothing(self, olive: BuilderProfile) -> None:
        assert patch(olive, {})[0] == 200
        assert not AuditLog.objects.exists()

    def test_invalid_patch_changes_nothing_and_has_form_errors(self, olive: BuilderProfile) -> None:
        wrong = {
            "headline": "x" * 161,
            "hourly_rate": -1,
            "skills": ["y" * 10_000],
            "links": ["javascript:alert(1)"],
            "currency": "XXX",
            "time_zone": "Mars/Olympus",
            "tagline": "Good",
        }
        status, data = patch(olive, wrong)
        assert (status, data["error"]["code"]) == (422, "invalid")
        assert data["error"]["fields"] == {
            "headline": ["Use 160 characters or fewer. You entered 161."],
            "hourly_rate": ["Enter a rate above zero, or leave it blank to agree a rate for each project."],
            "skills": [f"“{'y' * 30}…” has 10000 characters. Use 40 or fewer."],
            "links": ["“javascript:alert(1)” is not a valid URL. Enter a full URL that starts with https://."],
            "currency": ["Choose one of the options."],
            "time_zone": ["Choose one of the options."],
        }
        for section, name in (("introduction", "headline"), ("terms", "hourly_rate"), ("terms", "currency")):
            page = signed_in(olive.user).post(f"/builders/{olive.slug}/edit/{section}/", {name: wrong[name]})
            assert page.context["form"].errors[name] == data["error"]["fields"][name]
        olive.refresh_from_db()
        assert (olive.headline, olive.tagline) == ("Before", "")
        assert not AuditLog.objects.exists()

    def test_unknown_and_read_only_fields_are_rejected(self, olive: BuilderProfile) -> None:
        sent = {"validation_tier": 3, "url": "/x/", "nonsense": 1, "\ud800": 1, "user_id": 1, "headline": "After"}
        status, data = patch(olive, sent)
        unknown, fixed = ["This field does not exist."], ["This field is read-only."]
        assert status == 422
        assert data["error"]["fields"] == {
            "validation_tier": fixed,
            "url": fixed,
            "nonsense": unknown,
            "\ud800": unknown,
            "user_id": unknown,
        }

    @pytest.mark.parametrize("value", (None, 1, 1.5, True, [], {}, {"a": {"b": []}}, [["x"]], [None], [1]))
    def test_values_of_the_wrong_type_are_rejected(self, olive: BuilderProfile, value: Any) -> None:
        fits = {
            "hourly_rate": value is None or (value in (1, 1.5) and value is not True),
            "adhd_friendly": value is True,
            "skills": value == [],
            "domains": value == [],
        }
        for name in ("headline", "bio", "availability", "time_zone", "links", *fits):
            expected = 200 if fits.get(name, value == [] and name == "links") else 422
            status, data = patch(olive, {name: value})
            assert (name, status) == (name, expected)
            assert status == 200 or data["error"]["fields"].keys() == {name}

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        (
            pytest.param(b"", 415, "not_json", id="empty"),
            pytest.param(b" ", 400, "malformed", id="blank"),
            pytest.param(b"junk", 400, "malformed", id="junk"),
            pytest.param(b'{"headline": "x"', 400, "malformed", id="truncated"),
            pytest.param(b"\xff\xfe", 400, "malformed", id="not UTF-8"),
            pytest.param("\ufeff{}".encode(), 400, "malformed", id="byte order mark"),
            pytest.param('{"headline": "x"}'.encode("utf-16"), 400, "malformed", id="UTF-16"),
            pytest.param(b"[" * 100_000, 400, "malformed", id="deep"),
            pytest.param(b'{"headline": ' + b'{"a":' * 50_000, 400, "malformed", id="deep object"),
            pytest.param(b'{"headline": "a", "headline": "b"}', 400, "malformed", id="duplicate key"),
            pytest.param(b'{"hourly_rate": NaN}', 400, "malformed", id="NaN"),
            pytest.param(b'{"hourly_rate": -Infinity}', 400, "malformed", id="Infinity"),
            pytest.param(b"[]", 400, "not_an_object", id="list"),
            pytest.param(b"null", 400, "not_an_object", id="null"),
            pytest.param(b"7", 400, "not_an_object", id="number"),
            pytest.param(b'{"hourly_rate": 1e400}', 422, "invalid", id="huge"),
            pytest.param(b'{"hourly_rate": 1e-400}', 422, "invalid", id="tiny"),
            pytest.param(b'{"hourly_rate": 1e99999999999999999999}', 422, "invalid", id="huge exponent"),
            pytest.param(b'{"hourly_rate": ' + b"9" * 10_000 + b"}", 422, "invalid", id="long"),
            pytest.param(b'{"hourly_rate": "NaN"}', 422, "invalid", id="NaN in text"),
            pytest.param(b'{"availability": "\\ud800"}', 422, "invalid", id="unpaired surrogate"),
            pytest.param(b'{"availability": "a\\u0000"}', 422, "invalid", id="NUL"),
            pytest.param(b'{"headline": "' + b"x" * 1_000_000 + b'"}', 413, "too_large", id="large"),
        ),
    )
    def test_invalid_bodies_are_rejected(self, olive: BuilderProfile, body: bytes, status: int, code: str) -> None:
        found, data = patch(olive, body)
        assert (found, data["error"]["code"]) == (status, code)
        olive.refresh_from_db()
        assert olive.headline == "Before"

    def test_unsupported_characters_are_removed(self, olive: BuilderProfile) -> None:
        status, data = patch(olive, b'{"headline": "a\\u0000b\\ud800c\\u202ed", "skills": ["x\\udfff"]}')
        assert status == 200
        assert (data["headline"], data["skills"]) == ("a b c d", ["x"])

    @pytest.mark.parametrize("kind", ("text/plain", "application/x-www-form-urlencoded", "application/xml", ""))
    def test_only_json_is_accepted(self, olive: BuilderProfile, kind: str) -> None:
        status, data = patch(olive, {"headline": "After"}, content_type=kind)
        assert (status, data["error"]["code"]) == (415, "not_json")
        assert patch(olive, {}, content_type="application/json; charset=utf-8")[0] == 200

    def test_profile_without_slug_can_be_changed(self) -> None:
        profile = BuilderProfileFactory.create(user__name="", slug=None)
        status, data = patch(profile, {"headline": "After"})
        assert (status, data["url"], data["headline"]) == (200, None, "After")

    def test_client_profile_can_be_changed(self) -> None:
        profile = ClientProfileFactory.create()
        status, data = patch(profile, {"company_name": "Acme", "project_preferences": "Small ones"})
        assert (status, data["company_name"], data["project_preferences"]) == (200, "Acme", "Small ones")
        status, data = patch(profile, {"company_name": "x" * 121, "headline": "?"})
        assert status == 422
        assert data["error"]["fields"].keys() == {"company_name", "headline"}

    def test_permissions_of_patch(self, olive: BuilderProfile) -> None:
        for user, status in ((UserFactory.create(), 403), (UserFactory.create(admin=True), 200), (olive.user, 200)):
            assert patch(olive, {"headline": "After"}, user=user)[0] == status
        BuilderProfile.objects.update(hidden_at=SINCE)
        assert patch(olive, {}, user=UserFactory.create(builder=True))[0] == 404
        assert Client().patch(path_of(olive), "{}", content_type="application/json").status_code == 404

    def test_audit_log_names_the_impersonator(self, olive: BuilderProfile) -> None:
        adam = UserFactory.create(admin=True)
        browser = impersonating(olive.user, adam, headers={"if-match": "*"})
        browser.patch(path_of(olive), {"headline": "After"}, content_type="application/json")
        row = AuditLog.objects.get()
        assert (row.actor, row.impersonator) == (olive.user, adam.clerk_id)

    def test_cookie_authentication_requires_a_csrf_token(self, olive: BuilderProfile) -> None:
        browser = with_token(mint(str(olive.user.clerk_id)), enforce_csrf_checks=True, headers={"if-match": "*"})
        send: dict[str, Any] = {"data": {"headline": "After"}, "content_type": "application/json"}
        refused = browser.patch(path_of(olive), **send)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "csrf_failed")
        browser.get(f"/builders/{olive.slug}/edit/introduction/")
        csrf_token = next(cookie.value for name, cookie in browser.cookies.items() if name.startswith("csrftoken"))
        accepted = browser.patch(path_of(olive), **send, headers={"x-csrftoken": csrf_token})
        assert accepted.status_code == 200

    def test_number_of_queries_is_limited(self, olive: BuilderProfile, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(24):  # Ten store the history of five sections.
            patch(olive, {"headline": "After", "bio": "x", "skills": ["x"], "links": [], "searchable": False})


class TestConditions:
    def test_matching_etag_returns_304(
        self, olive: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = Client()
        first = client.get(path_of(olive))
        etag = first["ETag"]
        assert etag.startswith('"')
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            with django_assert_num_queries(3):
                again = client.get(path_of(olive), headers={"if-none-match": known})
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
        for other in ('"other"', "junk", etag.strip('"')):
            assert client.get(path_of(olive), headers={"if-none-match": other}).status_code == 200
        assert first["Cache-Control"] == again["Cache-Control"] == "private, no-cache"

    def test_etag_changes_when_any_part_of_the_response_changes(self, olive: BuilderProfile) -> None:
        seen = set()

        def add_etag() -> None:
            seen.add(Client().get(path_of(olive))["ETag"])

        add_etag()
        patch(olive, {"bio": "x"})
        add_etag()
        project = Project.objects.create(builder=olive, title="A")
        add_etag()
        Project.objects.filter(pk=project.pk).update(status="demo")
        add_etag()
        Badge.objects.create(builder=olive, kind="code", evidence="x", awarded_by=UserFactory.create(admin=True))
        add_etag()
        User.objects.filter(pk=olive.user_id).update(name="Olive Other")
        add_etag()
        assert len(seen) == 6

    def test_visitor_etag_ignores_private_fields(self, olive: BuilderProfile) -> None:
        before, own = Client().get(path_of(olive))["ETag"], api_client(olive.user).get(path_of(olive))["ETag"]
        User.objects.filter(pk=olive.user_id).update(email="other@example.com")
        assert Client().get(path_of(olive))["ETag"] == before
        assert api_client(olive.user).get(path_of(olive))["ETag"] not in (before, own)

    @pytest.mark.parametrize("method", ("patch", "delete"))
    def test_change_requires_a_matching_etag(self, olive: BuilderProfile, method: str) -> None:
        client = api_client(olive.user)
        send: Any = getattr(client, method)
        options = {"data": "{}", "content_type": "application/json"}
        response = send(path_of(olive), **options)
        assert (response.status_code, response.json()["error"]["code"]) == (428, "condition_required")
        etag = client.get(path_of(olive))["ETag"]
        patch(olive, {"headline": "Meanwhile"}, user=UserFactory.create(admin=True))
        for stale in (etag, f"W/{etag}", '"other"', "junk", ""):
            response = send(path_of(olive), **options, headers={"if-match": stale})
            assert (response.status_code, response.json()["error"]["code"]) == (412, "changed_meanwhile")
        etag = client.get(path_of(olive))["ETag"]
        assert response["ETag"] == etag
        olive.refresh_from_db()
        assert (olive.headline, olive.deleted_at) == ("Meanwhile", None)
        assert send(path_of(olive), **options, headers={"if-match": etag}).status_code in (200, 204)

    def test_response_etag_can_be_used_for_the_next_change(self, olive: BuilderProfile) -> None:
        client = api_client(olive.user)
        etag = client.get(path_of(olive))["ETag"]
        for headline in ("One", "Two", "Three"):
            response = client.patch(
                path_of(olive), {"headline": headline}, content_type="application/json", headers={"if-match": etag}
            )
            assert response.json()["headline"] == headline
            etag = response["ETag"]


class TestDelete:
    def delete(self, profile: BuilderProfile | ClientProfile, user: User | None = None) -> int:
        client = api_client(user or profile.user)
        return int(client.delete(path_of(profile), headers={"if-match": "*"}).status_code)

    def test_delete_removes_role_and_page(self, olive: BuilderProfile) -> None:
        assert self.delete(olive) == 204
        olive.refresh_from_db()
        olive.user.refresh_from_db()
        assert olive.user.roles == []
        assert olive.archived_at is not None
        assert olive.deleted_at is not None
        assert Client().get(olive.get_absolute_url()).status_code == 404
        assert self.delete(olive) == 404
        rows = AuditLog.objects.order_by("pk").values_list("action", "actor")
        assert list(rows) == [
            ("ROLE_REMOVED", olive.user_id),
            ("PROFILE_UPDATED", olive.user_id),
            ("PROFILE_UPDATED", olive.user_id),
        ]

    def test_users_other_profile_is_kept(self) -> None:
        user = UserFactory.create(builder=True, client=True)
        client, builder = ClientProfileFactory.create(user=user), BuilderProfileFactory.create(user=user)
        assert self.delete(client) == 204
        user.refresh_from_db()
        assert user.roles == ["BUILDER"]
        assert Client().get(path_of(builder)).status_code == 200

    def test_admin_can_delete_and_visitor_cannot(self, olive: BuilderProfile) -> None:
        assert self.delete(olive, UserFactory.create()) == 403
        assert self.delete(ClientProfileFactory.create(), UserFactory.create()) == 404
        adam = UserFactory.create(admin=True)
        assert self.delete(olive, adam) == 204
        assert AuditLog.objects.filter(action="ROLE_REMOVED").get().actor == adam

    def test_delete_fails_if_the_role_cannot_be_removed(self) -> None:
        profile = BuilderProfileFactory.create(user__banned=True)
        adam = UserFactory.create(admin=True)
        response = api_client(adam).delete(path_of(profile), headers={"if-match": "*"})
        assert (response.status_code, response.json()["error"]["code"]) == (409, "role_stays")
        profile.refresh_from_db()
        assert profile.deleted_at is None
