"""Delivery counts by signing secret, which show when an old secret can be removed."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from core.times import start_of_hour
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, new_svix_id, person
from tests.settings import NEXT_SECRET, SECRET
from webhooks.inbox import secret_counts, signatures
from webhooks.inbox.background_counts import BackgroundCounter
from webhooks.models import RejectedRequest, SecretCount

pytestmark = pytest.mark.django_db
URL = "/admin/webhooks/repairs/secrets/"
OLD, NEW = signatures.fingerprint(SECRET), signatures.fingerprint(NEXT_SECRET)


@pytest.fixture(autouse=True)
def counter(monkeypatch: pytest.MonkeyPatch) -> BackgroundCounter:
    fresh = BackgroundCounter(secret_counts.UPSERT, "deliveries by secret")
    monkeypatch.setattr("webhooks.views.secret_counter", fresh)
    return fresh


@pytest.fixture
def admin() -> Client:
    return signed_in(UserFactory.create(admin=True))


def received(fingerprint: str, *, hours_ago: float, deliveries: int = 7) -> None:
    moment = timezone.now() - timedelta(hours=hours_ago)
    SecretCount.objects.create(
        hour=start_of_hour(moment), fingerprint=fingerprint, deliveries=deliveries, last_at=moment
    )


def test_second_delivery_of_an_event_counts_for_its_own_secret(counter: BackgroundCounter) -> None:
    """During a rotation, two endpoints deliver each event, and the event stores only the first secret."""
    zofia, svix_id = person(), new_svix_id()
    assert WebhookClient(SECRET).created(zofia, svix_id=svix_id) == "processed"
    assert WebhookClient(NEXT_SECRET).created(zofia, svix_id=svix_id) == "duplicate"
    assert not SecretCount.objects.exists()  # counting does not query the database
    counter.flush()
    assert dict(SecretCount.objects.values_list("fingerprint", "deliveries")) == {OLD: 1, NEW: 1}


def test_rejected_requests_are_not_counted(counter: BackgroundCounter) -> None:
    WebhookClient("whsec_" + "c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIhISE=").post({"type": "user.created"})
    counter.flush()
    assert not SecretCount.objects.exists()


def test_page_shows_no_secret(admin: Client) -> None:
    received(OLD, hours_ago=1)
    page = admin.get(URL).content.decode()
    assert OLD[:6] in page
    assert SECRET not in page
    assert SECRET.removeprefix("whsec_")[:8] not in page


@pytest.mark.parametrize(
    ("old", "new", "text"),
    (
        pytest.param(1, None, "Secret 2 has not received a delivery yet. Keep every secret.", id="new is unused"),
        pytest.param(1, 1, "Several secrets receive deliveries. Keep all of them.", id="both are used"),
        pytest.param(30, 1, "Several secrets receive deliveries. Keep all of them.", id="old may be retried"),
        pytest.param(35, 1, "Secret 1 can be removed.", id="old is quiet"),
        pytest.param(35, 40, "Several secrets receive deliveries. Keep all of them.", id="both are quiet"),
    ),
)
def test_page_shows_when_the_old_secret_can_be_removed(admin: Client, old: float, new: float | None, text: str) -> None:
    received(OLD, hours_ago=old)
    if new:
        received(NEW, hours_ago=new)
    assert text in admin.get(URL).content.decode()


def test_rejected_signatures_since_the_last_delivery_need_attention(admin: Client, settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET]
    received(OLD, hours_ago=2)
    for hours in (1, 3):
        at = timezone.now() - timedelta(hours=hours)
        RejectedRequest.objects.create(cause="bad_signature", at=at, address="192.0.2.1", size=1)
    page = admin.get(URL).content.decode()
    assert "1 request was rejected for its signature since the last accepted delivery." in page
    assert "and it receives deliveries" not in page
    assert 'href="/admin/webhooks/rejections/?cause=bad_signature"' in page


def test_removed_secret_stays_visible(admin: Client) -> None:
    received("0123456789ab", hours_ago=50)
    page = admin.get(URL).content.decode()
    assert "no longer accepted" in page


def test_old_counts_are_deleted() -> None:
    received(OLD, hours_ago=1)
    received(OLD, hours_ago=31 * 24)
    assert secret_counts.delete_old() == 1
