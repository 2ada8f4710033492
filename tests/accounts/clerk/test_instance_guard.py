"""Another instance's secret key must not create or delete users, even though Clerk accepts it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.clerk import api, instance_guard, jwks
from accounts.clerk.api import ClerkApiError
from accounts.clerk.instance_guard import WrongInstanceError
from accounts.models import MetadataPush, Reconciliation, User
from accounts.privacy import deletion
from accounts.sessions import services as sessions
from accounts.sync import push
from tests.helpers.clerk import FakeClerk
from tests.helpers.factories import UserFactory
from tests.helpers.tokens import KEY, KEY_ID, key_set, new_key, public_pem
from tests.helpers.webhooks import person

pytestmark = pytest.mark.django_db

THEIRS_PRIVATE = new_key()
THEIRS = THEIRS_PRIVATE.public_key()


@pytest.fixture(autouse=True)
def our_keys(fake: FakeClerk, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish our instance's key, and return 404 for every user."""
    instance_guard._verify.cache_clear()
    settings.CLERK_JWT_KEY = ""
    monkeypatch.setattr(jwks, "fetch_published", lambda: {KEY_ID: KEY.public_key()})
    fake.respond_with(httpx.Response(404))


@pytest.fixture
def foreign_keys(fake: FakeClerk) -> None:
    fake.key_set = key_set(THEIRS, "ins_2another")


class TestVerifySecretKey:
    def test_key_of_our_instance_is_accepted(self) -> None:
        instance_guard.verify_secret_key()

    def test_key_of_another_instance_is_rejected(self, foreign_keys: None) -> None:
        with pytest.raises(WrongInstanceError, match=r"belongs to another Clerk instance \(key ids: ins_2another\)"):
            instance_guard.verify_secret_key()

    @pytest.mark.parametrize(
        "changed",
        (
            pytest.param({"CLERK_INSTANCE_ID": "ins_2another"}, id="instance id"),
            pytest.param({"CLERK_JWT_KEY": public_pem(THEIRS_PRIVATE)}, id="public key"),
            pytest.param({"CLERK_PUBLISHABLE_KEY": ""}, id="nothing to compare with"),
        ),
    )
    def test_any_matching_setting_is_sufficient(
        self, foreign_keys: None, settings: Settings, changed: dict[str, str]
    ) -> None:
        for name, value in changed.items():
            setattr(settings, name, value)
        instance_guard.verify_secret_key()

    def test_instance_id_is_compared_without_a_publishable_key(self, foreign_keys: None, settings: Settings) -> None:
        settings.CLERK_PUBLISHABLE_KEY, settings.CLERK_INSTANCE_ID = "", KEY_ID
        with pytest.raises(WrongInstanceError):
            instance_guard.verify_secret_key()

    def test_failed_check_raises(self, foreign_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable() -> None:
            raise httpx.ConnectError("no route to host")

        monkeypatch.setattr(jwks, "fetch_published", unreachable)
        with pytest.raises(ClerkApiError, match=r"returned no keys: no route to host. Set CLERK_INSTANCE_ID"):
            instance_guard.verify_secret_key()

    @pytest.mark.parametrize("document", ([], {}, {"keys": 7}, {"keys": [{"kty": "no"}]}, "x"))
    def test_invalid_key_set_raises(self, fake: FakeClerk, document: Any) -> None:
        fake.key_set = document
        with pytest.raises(ClerkApiError, match="is not a key set"):
            instance_guard.verify_secret_key()

    def test_success_is_cached_and_errors_are_not(self, fake: FakeClerk) -> None:
        fake.key_set = key_set(THEIRS)
        with pytest.raises(WrongInstanceError):
            instance_guard.verify_secret_key()
        fake.key_set = key_set(KEY.public_key())
        instance_guard.verify_secret_key()
        fake.key_set = {}
        instance_guard.verify_secret_key()


@pytest.mark.usefixtures("foreign_keys")
class TestForeignSecretKey:
    @pytest.mark.parametrize("call", (api.get_user, api.delete_user, sessions.fetch_user))
    def test_missing_user_is_not_deleted(self, call: Callable[[str], Any]) -> None:
        user = UserFactory.create()
        with pytest.raises(WrongInstanceError):
            call(str(user.clerk_id))
        assert User.objects.live().get() == user

    def test_push_fails_without_deleting_the_user(self) -> None:
        user = UserFactory.create(builder=True)
        MetadataPush.objects.create(
            user=user, state="pending", requested_at=user.created_at, next_attempt_at=user.created_at
        )
        assert push.push_user(user.pk) is push.Outcome.FAILED
        assert User.objects.live().get() == user
        assert "another Clerk instance" in MetadataPush.objects.get().last_error

    def test_due_deletion_is_postponed(self) -> None:
        user = UserFactory.create(deletion_due_at="2026-01-01T00:00:00Z")
        assert deletion.delete_due() == 0
        assert User.objects.live().get() == user

    @pytest.mark.parametrize("options", (["--full"], [], ["--dry-run"]))
    def test_reconciliation_does_not_import_users(self, fake: FakeClerk, options: list[str]) -> None:
        user = UserFactory.create()
        fake.respond_with(httpx.Response(200, json=[person().data()]))
        with pytest.raises(CommandError, match="belongs to another Clerk instance"):
            call_command("reconcile", *options)
        assert User.objects.live().get() == user
        assert "another Clerk instance" in Reconciliation.objects.get().error

    def test_reconciliation_of_one_user_does_not_delete_it(self) -> None:
        user = UserFactory.create()
        with pytest.raises(CommandError, match="belongs to another Clerk instance"):
            call_command("reconcile", "--user", user.clerk_id)
        assert User.objects.live().get() == user


@pytest.mark.parametrize(
    ("url", "resolved"),
    (
        ("http://clerk.bw.localhost:8001", "http://127.0.0.1:8001"),
        ("https://clerk.example.com", "https://clerk.example.com"),
        ("https://localhost.example.com", "https://localhost.example.com"),
    ),
)
def test_localhost_names_resolve_to_loopback(url: str, resolved: str) -> None:
    assert jwks.resolve_localhost(url) == resolved
