"""Feature flags: evaluation, the admin, and the handshake's flag."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Flag, User
from audit.models import AuditLog
from profiles import flags as profile_flags
from tests.helpers import flags
from tests.helpers.clients import PAGE, signed_in, with_password
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

#: A public URL that depends only on the flag.
PATH, OFF = "/api/profiles/builders", 503


@pytest.fixture
def vera() -> User:
    user: User = UserFactory.create()
    return user


@pytest.fixture
def operator() -> Client:
    return with_password()


def is_enabled(browser: Client) -> bool:
    status = browser.get(PATH).status_code
    assert status in (200, OFF)
    return status == 200


class TestFlag:
    def test_new_database_has_every_flag_on(self) -> None:
        assert dict(Flag.objects.values_list("name", "everyone")) == dict.fromkeys(sorted(flags.NAMES), True)
        assert all(Flag.objects.values_list("note", flat=True))

    def test_feature_without_a_flag_row_is_enabled(self, client: Client) -> None:
        Flag.objects.all().delete()
        flags.clear_cache()
        assert is_enabled(client)

    def test_flag_for_a_user(self, vera: User) -> None:
        flags.set_flag(profile_flags.PUBLIC_API, users=[vera])
        assert is_enabled(signed_in(vera))
        assert not is_enabled(signed_in(UserFactory.create()))
        assert not is_enabled(Client())

    def test_flag_for_a_group(self, vera: User) -> None:
        friends = Group.objects.create(name="Friends")
        vera.groups.add(friends)
        flags.set_flag(profile_flags.PUBLIC_API, groups=[friends])
        assert is_enabled(signed_in(vera))
        assert not is_enabled(signed_in(UserFactory.create()))

    def test_percentage_selects_the_same_users_every_time(self) -> None:
        people = UserFactory.create_batch(60)
        flags.set_flag(profile_flags.PUBLIC_API, percent=50)
        enabled = [is_enabled(signed_in(person)) for person in people]
        assert 10 < sum(enabled) < 50
        assert [is_enabled(signed_in(person)) for person in people] == enabled
        flags.set_flag(profile_flags.PUBLIC_API, percent=99.9)
        assert all(
            is_enabled(signed_in(person)) for person, was_enabled in zip(people, enabled, strict=True) if was_enabled
        )

    def test_anonymous_choice_is_kept_in_a_cookie(self, settings: Settings) -> None:
        settings.WAFFLE_SECURE = True
        flags.set_flag(profile_flags.PUBLIC_API, percent=50)
        for _ in range(5):
            visitor = Client()
            first = is_enabled(visitor)
            cookie = visitor.cookies["dwf_public_api"]
            assert (cookie.value, cookie["httponly"], cookie["samesite"], cookie["secure"]) == (
                str(first),
                True,
                "Lax",
                True,
            )
            assert {is_enabled(visitor) for _ in range(5)} == {first}

    def test_no_cookie_is_set_without_a_percentage(self, client: Client) -> None:
        for everyone in (True, False):
            flags.set_flag(profile_flags.PUBLIC_API, everyone=everyone)
            is_enabled(client)
        assert not client.cookies

    def test_flag_is_queried_once_and_then_cached(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        flags.set_flag(profile_flags.PUBLIC_API, everyone=False)
        for queries in (1, 0, 0):
            with django_assert_num_queries(queries):
                is_enabled(client)

    def test_cache_expires_after_ten_seconds(self) -> None:
        assert caches["flags"].default_timeout == 10


class TestAdmin:
    def change(self, browser: Client, flag: Flag, **submitted: Any) -> int:
        form = {"everyone": "unknown", "users": "", "percent": ""} | submitted
        return int(browser.post(f"/admin/accounts/flag/{flag.pk}/change/", form).status_code)

    def test_admin_sets_users_groups_and_percentage(self, vera: User) -> None:
        friends = Group.objects.create(name="Friends")
        flag = Flag.objects.get(name=profile_flags.PUBLIC_API)
        adam = signed_in(UserFactory.create(admin=True))
        assert self.change(adam, flag, users=str(vera.pk), groups=str(friends.pk), percent="12.5") == 302
        flag.refresh_from_db()
        assert (flag.everyone, float(flag.percent or 0)) == (None, 12.5)
        assert list(flag.users.all()) == [vera]
        assert list(flag.groups.all()) == [friends]
        page = adam.get(f"/admin/accounts/flag/{flag.pk}/change/").content.decode()
        assert str(vera) in page
        assert "Changed" in adam.get(f"/admin/accounts/flag/{flag.pk}/history/").content.decode()

    def test_change_is_audited(self, vera: User) -> None:
        flag = Flag.objects.get(name=profile_flags.PUBLIC_API)
        adam = UserFactory.create(admin=True)
        self.change(signed_in(adam), flag, users=str(vera.pk), percent="12.5")
        self.change(signed_in(adam), flag, users=str(vera.pk), percent="12.5")  # Unchanged values are not audited.
        [row] = AuditLog.objects.filter(action="FLAG_SWITCHED")
        assert (row.actor, row.target, row.target_label) == (adam, f"accounts.flag:{flag.pk}", "public_api")
        assert row.details == {"everyone": [True, None], "percent": [None, 12.5], "users": [[], [vera.pk]]}
        assert (row.source, row.ip_address) == ("request", "127.0.0.1")

    def test_invalid_values_are_rejected(self) -> None:
        flag = Flag.objects.get(name=profile_flags.PUBLIC_API)
        adam = signed_in(UserFactory.create(admin=True))
        for submitted in ({"percent": "101"}, {"users": "junk"}, {"users": "987654321987654321"}, {"groups": "0"}):
            assert self.change(adam, flag, **submitted) == 200
        flag.refresh_from_db()
        assert flag.everyone is True

    def test_only_local_operators_change_group_members(self, vera: User, operator: Client) -> None:
        friends = Group.objects.create(name="Friends")
        url = f"/admin/auth/group/{friends.pk}/change/"
        submitted = {"name": "Friends", "User_groups-TOTAL_FORMS": "1", "User_groups-INITIAL_FORMS": "0"}
        submitted["User_groups-0-user"] = str(vera.pk)
        assert signed_in(UserFactory.create(admin=True)).post(url, submitted).status_code == 403
        assert operator.post(url, submitted).status_code == 302
        assert list(friends.user_set.all()) == [vera]


class TestHandshake:
    def is_redirected_to_clerk(self, browser: Client, path: str = "/builders/") -> bool:
        status = browser.get(path).status_code
        assert status in (200, 307)
        return status == 307

    def test_enabled_flag_redirects_an_expired_token_to_clerk(self, vera: User) -> None:
        flags.set_flag("handshake", everyone=True)
        assert self.is_redirected_to_clerk(signed_in(vera, expired=True, headers=PAGE))

    def test_disabled_flag_treats_an_expired_token_as_signed_out(self, vera: User) -> None:
        flags.set_flag("handshake", everyone=False)
        browser = signed_in(vera, expired=True, headers=PAGE)
        assert not self.is_redirected_to_clerk(browser)
        assert browser.get("/account/")["Location"].startswith("/sign-in/")
        assert not self.is_redirected_to_clerk(Client(headers=PAGE))
        # A valid token still signs in.
        assert signed_in(vera, headers=PAGE).get("/account/").status_code == 200

    def test_flag_for_the_user_of_the_expired_token(self, vera: User) -> None:
        flags.set_flag("handshake", users=[vera])
        assert self.is_redirected_to_clerk(signed_in(vera, expired=True, headers=PAGE))
        assert not self.is_redirected_to_clerk(signed_in(UserFactory.create(), expired=True, headers=PAGE))
        assert not self.is_redirected_to_clerk(signed_in(UserFactory.create(banned=True), expired=True, headers=PAGE))

    def test_flag_for_a_percentage(self, vera: User) -> None:
        flags.set_flag("handshake", percent=50)
        outcomes = {self.is_redirected_to_clerk(Client(headers=PAGE)) for _ in range(40)}
        assert outcomes == {True, False}

    def test_expired_token_does_not_sign_in_during_the_check(self, vera: User) -> None:
        flags.set_flag("handshake", percent=0.1)
        browser = signed_in(vera, expired=True, headers=PAGE)
        assert "Sign in" in browser.get("/builders/").content.decode()

    def test_requests_without_a_handshake_do_not_check_the_flag(
        self, vera: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        flags.clear_cache()
        with django_assert_num_queries(1):  # the user
            signed_in(vera, headers=PAGE).get("/sign-out/")

    def test_handshake_needs_no_query_once_the_flag_is_cached(
        self, vera: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            assert self.is_redirected_to_clerk(signed_in(vera, expired=True, headers=PAGE))
