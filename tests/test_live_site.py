"""A site that is not the live one, such as a restored copy, changes nothing outside."""

import os
import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail.message import EmailMessage
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.models import MetadataPush
from accounts.privacy import deletion
from accounts.sync import push
from accounts.sync.push import Outcome
from core.mail import HeldEmailBackend, NotLiveError
from profiles import tasks
from tests.helpers.factories import UserFactory
from webhooks.models import Alert, Notification
from webhooks.monitoring.notifications import delivery, services

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def copied_site(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVE_SITE = False
    settings.CLERK_SECRET_KEY = "sk_test_not-a-secret-but-as-long"

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("Something was sent.")

    monkeypatch.setattr(httpx.Client, "request", refuse)
    monkeypatch.setattr(delivery, "send_all", refuse)


def test_pushes_wait_until_the_site_is_live() -> None:
    user = UserFactory.create()
    due = MetadataPush.objects.create(
        user=user, state=MetadataPush.State.PENDING, requested_at=timezone.now(), next_attempt_at=timezone.now()
    )
    assert push.push_user(user.pk) is Outcome.HELD
    assert push.push_due() == 0
    before = (due.state, due.attempts)
    due.refresh_from_db()
    assert (due.state, due.attempts) == before


def test_requests_that_change_clerk_are_not_sent() -> None:
    with pytest.raises(ClerkApiError, match="LIVE_SITE is off"):
        api.delete_user("user_1")
    with pytest.raises(ClerkApiError, match="LIVE_SITE is off"):
        api.merge_public_metadata("user_1", {"roles": []})


def test_due_deletions_wait_until_the_site_is_live() -> None:
    user = UserFactory.create(deletion_due_at=timezone.now() - timedelta(days=1))
    assert deletion.delete_due() == 0
    user.refresh_from_db()
    assert user.deleted_at is None


def test_email_is_refused_so_that_its_job_keeps_it() -> None:
    email = EmailMessage("Subject", "Text", to=["a@example.com"])
    with pytest.raises(NotLiveError, match="LIVE_SITE is off"):
        HeldEmailBackend().send_messages([email])


def test_notifications_wait_until_the_site_is_live() -> None:
    alert = Alert.objects.create(rule=Alert.Rule.DEAD_EVENTS, value=1, notified_value=1, worst_value=1)
    waiting = Notification.objects.create(alert=alert, kind=Notification.Kind.OPENED, channel="a")
    services.send_due()
    waiting.refresh_from_db()
    assert (waiting.attempts, waiting.sent_at, waiting.is_given_up) == (0, None, False)


def test_images_that_the_database_does_not_know_are_kept(media: Path) -> None:
    name = default_storage.save(f"portraits/{'a' * 32}.webp", ContentFile(b"newer than the backup"))
    then = time.time() - timedelta(days=2).total_seconds()
    os.utime(media / name, (then, then))
    tasks.sweep_pictures(0)
    assert default_storage.exists(name)
