"""A sign-in from a new browser or operating system is emailed. The known devices are stored as keyed hashes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import personal_data
from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.clerk.session_payloads import session_started
from accounts.models import KnownDevice, User
from accounts.privacy import erasure
from accounts.sessions import devices
from accounts.sessions.devices import MAX_DEVICES, Device, identify
from tests.helpers.event_kinds import received
from tests.helpers.notifications import deliver
from tests.helpers.webhooks import WebhookClient, new_svix_id, person
from webhooks.inbox import service as inbox

pytestmark = pytest.mark.django_db

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
ACTIVITY = {"browser_name": "Firefox", "device_type": "Linux", "city": "Leeds", "country": "GB"}


def sign_in(user: SampleUser, user_agent: str, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """Return the event of a new session."""
    session = f"sess_{new_svix_id().removeprefix('msg_')}"
    data = {"object": "session", "id": session, "user_id": user.clerk_id, "actor": None, "status": "active"} | fields
    return samples.event("session.created", data, occurred_at=at or timezone.now(), user_agent=user_agent)


@pytest.fixture
def olive(webhook: WebhookClient) -> SampleUser:
    user = person(first_name="Olive", email="olive@example.com")
    webhook.created(user)
    return user


class TestEmails:
    def test_new_device_is_emailed(self, webhook: WebhookClient, olive: SampleUser) -> None:
        for user_agent in (CHROME.format(128), CHROME.format(140), SAFARI, SAFARI):
            event = sign_in(olive, user_agent, latest_activity=ACTIVITY, at=datetime.now(UTC))
            for _ in range(2):
                webhook.post(event, svix_id=event["data"]["id"].replace("sess", "msg"))
        [email] = deliver()
        assert email.subject == "New sign-in to your account"
        for text in ("Device: Safari, iOS", "IP address: 203.0.113.7", "Place: Leeds, GB", "UTC"):
            assert text in email.body
        assert "/account/security/" in email.body
        assert "You cannot turn this email off" in email.body

    def test_first_device_is_not_emailed(self, webhook: WebhookClient, olive: SampleUser) -> None:
        webhook.post(sign_in(olive, SAFARI))
        assert (deliver(), KnownDevice.objects.count()) == ([], 1)

    def test_old_event_is_not_emailed(self, webhook: WebhookClient, olive: SampleUser) -> None:
        webhook.post(sign_in(olive, SAFARI))
        webhook.post(sign_in(olive, CHROME, at=timezone.now() - timedelta(days=2)))
        assert (deliver(), KnownDevice.objects.count()) == ([], 2)

    def test_impersonation_is_not_emailed(self, webhook: WebhookClient, olive: SampleUser) -> None:
        webhook.post(sign_in(olive, SAFARI))
        webhook.post(sign_in(olive, CHROME, actor={"sub": "user_2admin"}))
        assert (deliver(), KnownDevice.objects.count()) == ([], 1)

    def test_sign_in_without_a_known_browser_is_not_emailed(self, webhook: WebhookClient, olive: SampleUser) -> None:
        webhook.post(sign_in(olive, SAFARI))
        webhook.post(sign_in(olive, "@clerk/nextjs@6.20.1"))
        assert (deliver(), KnownDevice.objects.count()) == ([], 1)

    def test_rotated_key_does_not_make_devices_new(
        self, webhook: WebhookClient, olive: SampleUser, settings: Settings
    ) -> None:
        webhook.post(sign_in(olive, SAFARI))
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 60
        webhook.post(sign_in(olive, SAFARI))
        settings.SECRET_KEY_FALLBACKS = []
        webhook.post(sign_in(olive, SAFARI))
        assert deliver() == []

    @pytest.mark.parametrize(
        "activity", (None, [], "x", {}, {"browser_name": 7, "city": ["x"], "country": None}, {"city": "x" * 9999})
    )
    def test_invalid_activity_is_ignored(self, webhook: WebhookClient, olive: SampleUser, activity: object) -> None:
        webhook.post(sign_in(olive, SAFARI))
        response = webhook.post(sign_in(olive, CHROME, latest_activity=activity))
        assert (response.json(), len(deliver())) == ({"outcome": "processed"}, 1)


class TestStatements:
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("user_agents", ((SAFARI,), (SAFARI, SAFARI), (SAFARI, CHROME)))
    def test_device_needs_no_additional_statement(
        self, webhook: WebhookClient, olive: SampleUser, user_agents: tuple[str, ...]
    ) -> None:
        """This applies to a first, a known and a new device."""
        *before, last = [sign_in(olive, user_agent) for user_agent in user_agents]
        inbox.receive_group([received(sign_in(person(), SAFARI))])  # opens the connection
        for event in before:
            webhook.post(event)
        with CaptureQueriesContext(connection) as queries:
            webhook.post(last)
        assert len(queries) == 5, [query["sql"] for query in queries.captured_queries]

    @pytest.mark.django_db(transaction=True)
    def test_sign_ins_of_one_batch_are_compared(self, olive: SampleUser) -> None:
        inbox.receive_group([received(sign_in(olive, user_agent)) for user_agent in (SAFARI, SAFARI, CHROME)])
        assert (len(deliver()), KnownDevice.objects.count()) == (1, 2)


class TestStorage:
    def test_number_of_devices_is_limited(self, webhook: WebhookClient, olive: SampleUser) -> None:
        user = User.objects.get()
        for number in range(MAX_DEVICES):
            seen_at = timezone.now() - timedelta(days=number + 1)
            KnownDevice.objects.create(user=user, digest=f"{number}", first_seen_at=seen_at)
        webhook.post(sign_in(olive, SAFARI))
        stored = set(KnownDevice.objects.values_list("digest", flat=True))
        assert (len(stored), f"{MAX_DEVICES - 1}" in stored) == (MAX_DEVICES, False)
        webhook.post(sign_in(olive, SAFARI))
        assert len(deliver()) == 1

    def test_browser_is_stored_as_a_hash_per_user(self, webhook: WebhookClient, olive: SampleUser) -> None:
        vera = person(email="vera@example.com")
        webhook.created(vera)
        for user in (olive, vera):
            webhook.post(sign_in(user, SAFARI))
        assert len(set(KnownDevice.objects.values_list("digest", flat=True))) == 2

    def test_devices_are_exported_and_erased(self, webhook: WebhookClient, olive: SampleUser) -> None:
        webhook.post(sign_in(olive, SAFARI))
        user = User.objects.get()
        assert len(personal_data.export(user).data["known_devices"]) == 1
        webhook.deleted(olive.with_changes())
        User.objects.update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
        erasure.erase_user(user.pk)
        assert not KnownDevice.objects.exists()


@pytest.mark.parametrize(
    ("user_agent", "activity", "expected"),
    (
        (CHROME, {}, Device("Chrome", "Windows")),
        (SAFARI, {}, Device("Safari", "iOS")),
        (samples.BROWSER, {}, Device("Chrome", "macOS")),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/128.0 Safari/537.36 Edg/128.0", {}, Device("Edge", "Windows")),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", {}, Device("Firefox", "Linux")),
        ("Mozilla/5.0 (Linux; Android 14) SamsungBrowser/25.0 Chrome/121", {}, Device("Samsung Internet", "Android")),
        ("Mozilla/5.0 (iPhone) CriOS/128.0 Mobile/15E148 Safari/604.1", {}, Device("Chrome", "iOS")),
        ("@clerk/nextjs@6.20.1", ACTIVITY, Device("Firefox", "Linux")),
        ("@clerk/nextjs@6.20.1", {"browser_name": "Mobile Safari", "device_type": "iPhone"}, Device("Safari", "iOS")),
        ("", {"browser_name": "Chrome", "device_type": "desktop"}, Device("Chrome", "")),
        (None, {}, None),
        ("curl/8.0", {"browser_name": "?"}, None),
    ),
)
def test_device_is_identified(user_agent: str | None, activity: dict[str, str], expected: Device | None) -> None:
    data = {"id": "sess_1", "user_id": "user_1", "latest_activity": activity}
    assert identify(session_started(data, timezone.now()), user_agent) == expected


def test_every_word_identifies_its_own_browser() -> None:
    for names in (devices.BROWSERS, devices.SYSTEMS):
        for name, words in names.items():
            assert {devices._first(names, word) for word in words} == {name}
