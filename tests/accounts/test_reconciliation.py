"""Healing what webhooks did not tell: `manage.py reconcile` against the running stand-in, which loses them all."""

from collections.abc import Iterator
from io import StringIO

import httpx
import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import reconciliation
from accounts.clerk import api
from accounts.models import User
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.factories import UserFactory
from tests.localclerk.standin import StandIn

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    folder = tmp_path_factory.mktemp("reconciled")
    with StandIn(folder, "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        assert stand_in.call("PATCH", "/local/settings", {"lose_percent": 100})[0] == 200
        yield stand_in
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, settings: Settings) -> Iterator[StandIn]:
    """Return the stand-in without people, as the Clerk that is asked."""
    settings.CLERK_API_URL, settings.CLERK_SECRET_KEY = f"http://127.0.0.1:{shared.port}", API_KEY
    yield shared
    for user in shared.call("GET", "/local/users")[1]:
        shared.call("DELETE", f"/local/users/{user['id']}")


def reconcile(*options: str) -> str:
    output = StringIO()
    call_command("reconcile", *options, stdout=output)
    return output.getvalue()


def test_people_missing_here_arrive_with_roles_and_profiles(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive", last_name="Owner", roles=["BUILDER"])
    assert f"1 missing here, healed: {olive['id']}" in reconcile()
    user = User.objects.get()
    assert (user.clerk_id, user.name, user.roles) == (olive["id"], "Olive Owner", ["BUILDER"])
    assert BuilderProfile.objects.get().user == user
    assert set(AuditLog.objects.values_list("source", flat=True)) == {"command"}


def test_people_stale_here_are_brought_up_to_date(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive", roles=["BUILDER"])
    reconcile()
    clerk.call("PATCH", f"/local/users/{olive['id']}", {"first_name": "Oliva", "roles": ["CLIENT"], "banned": True})
    assert f"1 stale here, healed: {olive['id']}" in reconcile()
    user = User.objects.get()
    assert (user.name, user.roles, user.banned, user.is_active) == ("Oliva", ["CLIENT"], True, False)


def test_people_deleted_at_clerk_are_deleted_here(clerk: StandIn) -> None:
    olive, other = clerk.create(first_name="Olive"), clerk.create(first_name="Other")
    reconcile()
    clerk.call("DELETE", f"/local/users/{olive['id']}")
    assert f"1 deleted at Clerk, healed: {olive['id']}" in reconcile()
    assert [user.clerk_id for user in User.objects.live()] == [other["id"]]


def test_a_second_run_finds_and_writes_nothing(
    clerk: StandIn, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in ("Ann", "Bea", "Cleo"):
        clerk.create(first_name=name, roles=["CLIENT"])
    reconcile()
    with django_assert_num_queries(5):  # a turn to ask Clerk, the people of one page, and who is alive here
        report = reconciliation.reconcile()
    assert (report.seen, report.missing, report.stale, report.gone) == (3, [], [], [])


def test_a_dry_run_only_tells(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive")
    assert f"1 missing here, would be healed: {olive['id']}" in reconcile("--dry-run")
    assert not User.objects.exists()


def test_one_person_can_be_reconciled(clerk: StandIn) -> None:
    olive, _ = clerk.create(first_name="Olive"), clerk.create(first_name="Other")
    reconcile("--user", olive["id"])
    assert User.objects.get().name == "Olive"
    clerk.call("DELETE", f"/local/users/{olive['id']}")
    assert f"1 deleted at Clerk, healed: {olive['id']}" in reconcile("--user", olive["id"])
    assert not User.objects.live().exists()


def test_every_page_of_the_listing_is_read(clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    people = {clerk.create(first_name=f"Person {number}")["id"] for number in range(5)}
    reconcile()
    assert set(User.objects.values_list("clerk_id", flat=True)) == people


# --- Nothing is believed that would delete many ---


def test_an_empty_listing_deletes_nobody(clerk: StandIn) -> None:
    UserFactory.create()
    assert "is CLERK_SECRET_KEY the right instance's?: user_" in reconcile()
    assert User.objects.live().count() == 1


def test_a_key_of_another_instance_deletes_nobody(clerk: StandIn) -> None:
    UserFactory.create_batch(12)
    for number in range(12):
        clerk.create(first_name=f"Stranger {number}")
    told = reconcile()
    assert "12 not in Clerk's list, too many to believe, left alone" in told
    assert "and 2 more" in told
    assert User.objects.live().count() == 24


def test_local_operators_are_no_business_of_clerks(clerk: StandIn) -> None:
    operator = UserFactory.create(superuser=True)
    clerk.create(first_name="Olive")
    reconcile()
    operator.refresh_from_db()
    assert operator.is_active


# --- What Clerk may answer ---


@pytest.mark.parametrize(
    "response",
    (
        httpx.Response(500, text="oops"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"data": []}),
        httpx.Response(404, json=[]),
    ),
)
def test_a_useless_listing_changes_nothing(fake: FakeClerk, response: httpx.Response) -> None:
    UserFactory.create()
    fake.answers(response)
    with pytest.raises(CommandError, match="Nobody was deleted"):
        reconcile()
    assert User.objects.live().count() == 1


def test_a_listing_that_breaks_off_keeps_what_was_healed(
    fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 1)
    clerk.create(first_name="First"), clerk.create(first_name="Second")
    UserFactory.create(name="Unlisted")
    go_on = forward(clerk)
    fake.handler = lambda r: httpx.Response(502) if "starting_after" in r.url.params else go_on(r)
    with pytest.raises(CommandError, match="502"):
        reconcile()
    assert set(User.objects.live().values_list("name", flat=True)) == {"First", "Unlisted"}


def test_somebody_of_unknown_shape_is_told_of_and_left_alone(fake: FakeClerk, clerk: StandIn) -> None:
    olive, odd = clerk.create(first_name="Olive"), UserFactory.create()
    listing = [httpx.get(f"{clerk_url(clerk)}/v1/users/{olive['id']}", headers=KEY).json(), {"id": odd.clerk_id}, 7]
    fake.answers(httpx.Response(200, json=listing))
    told = reconcile()
    assert f"{odd.clerk_id} cannot be read and was left alone" in told
    assert "7 cannot be read" in told
    assert set(User.objects.live().values_list("clerk_id", flat=True)) == {olive["id"], odd.clerk_id}


def test_without_a_key_the_command_says_what_to_set(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = ""
    with pytest.raises(CommandError, match="CLERK_SECRET_KEY is not set"):
        reconcile()


KEY = {"Authorization": f"Bearer {API_KEY}"}


def clerk_url(clerk: StandIn) -> str:
    return f"http://127.0.0.1:{clerk.port}"
