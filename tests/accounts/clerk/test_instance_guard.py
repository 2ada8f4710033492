"""A secret key of another instance: Clerk accepts it, and nothing that it tells is believed."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts import tasks
from accounts.clerk import api, instance_guard, jwks
from accounts.clerk.api import ClerkApiError
from accounts.clerk.instance_guard import WrongInstanceError
from accounts.models import MetadataPush, Reconciliation, User
from accounts.privacy import deletion
from accounts.sync import push
from tests.helpers.clerk import FakeClerk
from tests.helpers.factories import UserFactory
from tests.helpers.tokens import KEY, KEY_ID, key_set, new_key, public_pem
from tests.helpers.webhooks import person

pytestmark = pytest.mark.django_db

THEIRS_PRIVATE = new_key()
THEIRS = THEIRS_PRIVATE.public_key()


@pytest.fixture(autouse=True)
def asked_anew(fake: FakeClerk, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let our instance show its key, and Clerk know nobody."""
    instance_guard._verify.cache_clear()
    settings.CLERK_JWT_KEY = ""
    monkeypatch.setattr(jwks, "fetch_published", lambda: {KEY_ID: KEY.public_key()})
    fake.answers(httpx.Response(404))


@pytest.fixture
def foreign(fake: FakeClerk) -> None:
    fake.key_set = key_set(THEIRS, "ins_2another")


class TestWhoseItIs:
    def test_the_keys_that_our_instance_shows_make_it_ours(self) -> None:
        instance_guard.verify_secret_key()

    def test_the_key_of_another_instance_is_told_by_its_keys(self, foreign: None) -> None:
        with pytest.raises(WrongInstanceError, match="of another Clerk instance, whose keys are ins_2another"):
            instance_guard.verify_secret_key()

    @pytest.mark.parametrize(
        "changed",
        (
            pytest.param({"CLERK_INSTANCE_ID": "ins_2another"}, id="instance id"),
            pytest.param({"CLERK_JWT_KEY": public_pem(THEIRS_PRIVATE)}, id="public key"),
            pytest.param({"CLERK_PUBLISHABLE_KEY": ""}, id="nothing to compare with"),
        ),
    )
    def test_whatever_else_is_configured_makes_it_ours(
        self, foreign: None, settings: Settings, changed: dict[str, str]
    ) -> None:
        for name, value in changed.items():
            setattr(settings, name, value)
        instance_guard.verify_secret_key()

    def test_without_a_publishable_key_the_instance_id_decides(self, foreign: None, settings: Settings) -> None:
        settings.CLERK_PUBLISHABLE_KEY, settings.CLERK_INSTANCE_ID = "", KEY_ID
        with pytest.raises(WrongInstanceError):
            instance_guard.verify_secret_key()

    def test_what_cannot_be_told_is_not_believed(self, foreign: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise httpx.ConnectError("no way out")

        monkeypatch.setattr(jwks, "fetch_published", away)
        with pytest.raises(ClerkApiError, match=r"shows no keys: no way out. Set CLERK_INSTANCE_ID"):
            instance_guard.verify_secret_key()

    @pytest.mark.parametrize("nonsense", ([], {}, {"keys": 7}, {"keys": [{"kty": "no"}]}, "x"))
    def test_nonsense_is_no_set_of_keys(self, fake: FakeClerk, nonsense: Any) -> None:
        fake.key_set = nonsense
        with pytest.raises(ClerkApiError, match="is no set of keys"):
            instance_guard.verify_secret_key()

    def test_it_is_asked_once_and_again_after_an_error(self, fake: FakeClerk) -> None:
        fake.key_set = key_set(THEIRS)
        with pytest.raises(WrongInstanceError):
            instance_guard.verify_secret_key()
        fake.key_set = key_set(KEY.public_key())
        instance_guard.verify_secret_key()
        fake.key_set = {}
        instance_guard.verify_secret_key()


@pytest.mark.usefixtures("foreign")
class TestNothingIsBelieved:
    @pytest.mark.parametrize("call", (api.get_user, api.delete_user, tasks.fetch_user))
    def test_nobody_is_deleted_because_it_knows_nobody(self, call: Callable[[str], Any]) -> None:
        user = UserFactory.create()
        with pytest.raises(WrongInstanceError):
            call(str(user.clerk_id))
        assert User.objects.live().get() == user

    def test_a_push_deletes_nobody_and_waits(self) -> None:
        user = UserFactory.create(builder=True)
        MetadataPush.objects.create(
            user=user, state="pending", requested_at=user.created_at, next_attempt_at=user.created_at
        )
        assert push.push(user.pk) is push.Outcome.FAILED
        assert User.objects.live().get() == user
        assert "another Clerk instance" in MetadataPush.objects.get().last_error

    def test_an_account_that_is_to_be_deleted_waits(self) -> None:
        user = UserFactory.create(deletion_due_at="2026-01-01T00:00:00Z")
        assert deletion.delete_due() == 0
        assert User.objects.live().get() == user

    @pytest.mark.parametrize("options", (["--full"], [], ["--dry-run"]))
    def test_strangers_are_not_taken_in(self, fake: FakeClerk, options: list[str]) -> None:
        user = UserFactory.create()
        fake.answers(httpx.Response(200, json=[person().data()]))
        with pytest.raises(CommandError, match="of another Clerk instance"):
            call_command("reconcile", *options)
        assert User.objects.live().get() == user
        assert "another Clerk instance" in Reconciliation.objects.get().error

    def test_one_person_is_not_deleted(self) -> None:
        user = UserFactory.create()
        with pytest.raises(CommandError, match="of another Clerk instance"):
            call_command("reconcile", "--user", user.clerk_id)
        assert User.objects.live().get() == user


@pytest.mark.parametrize(
    ("url", "asked"),
    (
        ("http://clerk.bw.localhost:8001", "http://127.0.0.1:8001"),
        ("https://clerk.example.com", "https://clerk.example.com"),
        ("https://localhost.example.com", "https://localhost.example.com"),
    ),
)
def test_names_below_localhost_are_this_machine(url: str, asked: str) -> None:
    assert jwks._reachable(url) == asked
