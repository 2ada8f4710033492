"""The link in an email turns one kind off without signing in (RFC 8058)."""

import pytest
from django.core.signing import Signer
from django.test import Client
from pytest_django import Settings

from accounts.models import NotificationPreferences, User
from accounts.notifications.kinds import kinds
from accounts.notifications.unsubscribe import unsubscribe_url
from tests.accounts.notifications.conftest import OPTIONAL, REQUIRED
from tests.helpers.factories import SINCE

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def provider() -> Client:
    """Return a client without cookies, as mail providers use."""
    return Client(enforce_csrf_checks=True)


def path_for(user: User, key: str = OPTIONAL) -> str:
    return unsubscribe_url(user, kinds[key]).removeprefix("http://localhost:8000")


def turned_off(user: User) -> list[str]:
    found = NotificationPreferences.objects.filter(user=user).first()
    return found.turned_off if found else []


def signed(value: str) -> str:
    token = Signer(salt="accounts.notifications.unsubscribe").sign(value)
    return f"/account/notifications/unsubscribe/{token}/"


def test_one_click_turns_the_kind_off(vera: User, provider: Client) -> None:
    for _ in range(2):
        response = provider.post(path_for(vera), ONE_CLICK)
        assert (response.status_code, turned_off(vera)) == (200, [OPTIONAL])
        assert "You no longer get “News” emails" in response.content.decode()


@pytest.mark.parametrize("body", (b"", b"List-Unsubscribe=One-Click", b"\xff\x00"))
def test_body_is_ignored(vera: User, provider: Client, body: bytes) -> None:
    response = provider.post(path_for(vera), body, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, turned_off(vera)) == (200, [OPTIONAL])


@pytest.mark.parametrize("method", ("get", "head"))
def test_opening_the_link_changes_nothing(vera: User, provider: Client, method: str) -> None:
    """Spam filters open links."""
    response = getattr(provider, method)(path_for(vera))
    assert (response.status_code, turned_off(vera)) == (200, [])
    if method == "get":
        text = response.content.decode()
        assert "You will no longer get “News” emails." in text
        assert "vera@example.com" not in text
        assert '<form class="form" method="post">' in text


@pytest.mark.parametrize("method", ("get", "post"))
@pytest.mark.parametrize(
    "kind", ("truncated", "changed", "unsigned", "no user", "no number", "huge", "kind", "required")
)
def test_invalid_link_explains_what_to_do(vera: User, provider: Client, kind: str, method: str) -> None:
    path = {
        "truncated": path_for(vera)[:-9] + "/",
        "changed": path_for(vera).replace(f"/{vera.pk}:", f"/{vera.pk + 1}:"),
        "unsigned": f"/account/notifications/unsubscribe/{vera.pk}:{OPTIONAL}/",
        "no user": signed(f"{vera.pk + 1}:{OPTIONAL}"),
        "no number": signed(f"²:{OPTIONAL}"),
        "huge": signed(f"{'9' * 40}:{OPTIONAL}"),
        "kind": signed(f"{vera.pk}:unknown"),
        "required": signed(f"{vera.pk}:{REQUIRED}"),
    }[kind]
    response = getattr(provider, method)(path)
    assert response.status_code == 404
    assert "Copy the whole link from the email" in response.content.decode()
    assert not NotificationPreferences.objects.exists()


def test_link_works_after_the_key_was_rotated(vera: User, provider: Client, settings: Settings) -> None:
    path = path_for(vera)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 60
    assert (provider.post(path).status_code, turned_off(vera)) == (200, [OPTIONAL])


def test_nothing_is_stored_about_deleted_users(vera: User, provider: Client) -> None:
    User.objects.update(deleted_at=SINCE, is_active=False)
    assert provider.post(path_for(vera)).status_code == 200
    assert not NotificationPreferences.objects.exists()
