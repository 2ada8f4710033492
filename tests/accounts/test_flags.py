"""Switches: who may turn them, for whom they count, and what the one of the handshake does."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Flag, User
from audit.models import AuditLog
from profiles import flags as of_profiles
from tests.helpers import flags
from tests.helpers.clients import PAGE, signed_in, with_password
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

#: Asked whoever it is, and not depending on anything but the switch.
PATH, OFF = "/api/profiles/builders", 503


@pytest.fixture
def vera() -> User:
    user: User = UserFactory.create()
    return user


@pytest.fixture
def operator() -> Client:
    return with_password()


def is_on(browser: Client) -> bool:
    status = browser.get(PATH).status_code
    assert status in (200, OFF)
    return status == 200


class TestFlag:
    def test_a_new_database_has_every_switch_on(self) -> None:
        assert dict(Flag.objects.values_list("name", "everyone")) == dict.fromkeys(sorted(flags.NAMES), True)
        assert all(Flag.objects.values_list("note", flat=True))

    def test_what_no_row_speaks_of_is_on(self, client: Client) -> None:
        Flag.objects.all().delete()
        flags.clear_cache()
        assert is_on(client)

    def test_it_is_switched_for_a_person(self, vera: User) -> None:
        flags.set_flag(of_profiles.PUBLIC_API, users=[vera])
        assert is_on(signed_in(vera))
        assert not is_on(signed_in(UserFactory.create()))
        assert not is_on(Client())

    def test_it_is_switched_for_a_group(self, vera: User) -> None:
        friends = Group.objects.create(name="Friends")
        vera.groups.add(friends)
        flags.set_flag(of_profiles.PUBLIC_API, groups=[friends])
        assert is_on(signed_in(vera))
        assert not is_on(signed_in(UserFactory.create()))

    def test_it_is_switched_for_a_share_of_people_who_stay_the_same(self) -> None:
        people = UserFactory.create_batch(60)
        flags.set_flag(of_profiles.PUBLIC_API, percent=50)
        chosen = [is_on(signed_in(person)) for person in people]
        assert 10 < sum(chosen) < 50
        assert [is_on(signed_in(person)) for person in people] == chosen
        flags.set_flag(of_profiles.PUBLIC_API, percent=99.9)
        assert all(is_on(signed_in(person)) for person, was_on in zip(people, chosen, strict=True) if was_on)

    def test_visitors_keep_the_lot_they_drew(self, settings: Settings) -> None:
        settings.WAFFLE_SECURE = True
        flags.set_flag(of_profiles.PUBLIC_API, percent=50)
        for _ in range(5):
            visitor = Client()
            first = is_on(visitor)
            cookie = visitor.cookies["dwf_public_api"]
            assert (cookie.value, cookie["httponly"], cookie["samesite"], cookie["secure"]) == (
                str(first),
                True,
                "Lax",
                True,
            )
            assert {is_on(visitor) for _ in range(5)} == {first}

    def test_nobody_gets_a_cookie_while_no_lots_are_drawn(self, client: Client) -> None:
        for everyone in (True, False):
            flags.set_flag(of_profiles.PUBLIC_API, everyone=everyone)
            is_on(client)
        assert not client.cookies

    def test_asking_costs_a_query_only_when_the_cache_is_old(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        flags.set_flag(of_profiles.PUBLIC_API, everyone=False)
        for queries in (1, 0, 0):
            with django_assert_num_queries(queries):
                is_on(client)

    def test_other_processes_see_a_change_after_ten_seconds(self) -> None:
        assert caches["flags"].default_timeout == 10


class TestAdmin:
    def change(self, browser: Client, flag: Flag, **typed: Any) -> int:
        form = {"everyone": "unknown", "users": "", "percent": ""} | typed
        return int(browser.post(f"/admin/accounts/flag/{flag.pk}/change/", form).status_code)

    def test_an_admin_switches_for_people_groups_and_a_share(self, vera: User) -> None:
        friends = Group.objects.create(name="Friends")
        flag = Flag.objects.get(name=of_profiles.PUBLIC_API)
        adam = signed_in(UserFactory.create(admin=True))
        assert self.change(adam, flag, users=str(vera.pk), groups=str(friends.pk), percent="12.5") == 302
        flag.refresh_from_db()
        assert (flag.everyone, float(flag.percent or 0)) == (None, 12.5)
        assert list(flag.users.all()) == [vera]
        assert list(flag.groups.all()) == [friends]
        page = adam.get(f"/admin/accounts/flag/{flag.pk}/change/").content.decode()
        assert str(vera) in page
        assert "Changed" in adam.get(f"/admin/accounts/flag/{flag.pk}/history/").content.decode()

    def test_the_audit_log_tells_who_switched_what(self, vera: User) -> None:
        flag = Flag.objects.get(name=of_profiles.PUBLIC_API)
        adam = UserFactory.create(admin=True)
        self.change(signed_in(adam), flag, users=str(vera.pk), percent="12.5")
        self.change(signed_in(adam), flag, users=str(vera.pk), percent="12.5")  # changes nothing, and is not recorded
        [row] = AuditLog.objects.filter(action="FLAG_SWITCHED")
        assert (row.actor, row.target, row.target_label) == (adam, f"accounts.flag:{flag.pk}", "public_api")
        assert row.details == {"everyone": [True, None], "percent": [None, 12.5], "users": [[], [vera.pk]]}
        assert (row.source, row.ip_address) == ("request", "127.0.0.1")

    def test_nonsense_is_refused(self) -> None:
        flag = Flag.objects.get(name=of_profiles.PUBLIC_API)
        adam = signed_in(UserFactory.create(admin=True))
        for typed in ({"percent": "101"}, {"users": "junk"}, {"users": "987654321987654321"}, {"groups": "0"}):
            assert self.change(adam, flag, **typed) == 200
        flag.refresh_from_db()
        assert flag.everyone is True

    def test_only_local_operators_put_people_into_groups(self, vera: User, operator: Client) -> None:
        friends = Group.objects.create(name="Friends")
        address = f"/admin/auth/group/{friends.pk}/change/"
        typed = {"name": "Friends", "User_groups-TOTAL_FORMS": "1", "User_groups-INITIAL_FORMS": "0"}
        typed["User_groups-0-user"] = str(vera.pk)
        assert signed_in(UserFactory.create(admin=True)).post(address, typed).status_code == 403
        assert operator.post(address, typed).status_code == 302
        assert list(friends.user_set.all()) == [vera]


class TestHandshake:
    def sent_to_clerk(self, browser: Client, path: str = "/builders/") -> bool:
        status = browser.get(path).status_code
        assert status in (200, 307)
        return status == 307

    def test_on_a_page_with_an_expired_token_goes_to_clerk(self, vera: User) -> None:
        flags.set_flag("handshake", everyone=True)
        assert self.sent_to_clerk(signed_in(vera, expired=True, headers=PAGE))

    def test_off_its_visitor_counts_as_signed_out(self, vera: User) -> None:
        flags.set_flag("handshake", everyone=False)
        browser = signed_in(vera, expired=True, headers=PAGE)
        assert not self.sent_to_clerk(browser)
        assert browser.get("/account/")["Location"].startswith("/sign-in/")
        assert not self.sent_to_clerk(Client(headers=PAGE))
        # Whoever has a good token is signed in all the same.
        assert signed_in(vera, headers=PAGE).get("/account/").status_code == 200

    def test_it_is_switched_for_the_person_of_the_expired_token(self, vera: User) -> None:
        flags.set_flag("handshake", users=[vera])
        assert self.sent_to_clerk(signed_in(vera, expired=True, headers=PAGE))
        assert not self.sent_to_clerk(signed_in(UserFactory.create(), expired=True, headers=PAGE))
        assert not self.sent_to_clerk(signed_in(UserFactory.create(banned=True), expired=True, headers=PAGE))

    def test_it_is_switched_for_a_share(self, vera: User) -> None:
        flags.set_flag("handshake", percent=50)
        lots = {self.sent_to_clerk(Client(headers=PAGE)) for _ in range(40)}
        assert lots == {True, False}

    def test_an_expired_token_signs_nobody_in_while_it_is_asked(self, vera: User) -> None:
        flags.set_flag("handshake", percent=0.1)
        browser = signed_in(vera, expired=True, headers=PAGE)
        assert "Sign in" in browser.get("/builders/").content.decode()

    def test_requests_that_need_no_handshake_do_not_ask(
        self, vera: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        flags.clear_cache()
        with django_assert_num_queries(1):  # the person
            signed_in(vera, headers=PAGE).get("/sign-out/")

    def test_a_handshake_costs_no_query_once_the_switch_is_known(
        self, vera: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            assert self.sent_to_clerk(signed_in(vera, expired=True, headers=PAGE))
