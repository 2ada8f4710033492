"""A person who removes their last email address at Clerk can still use the site, but cannot be written to."""

import json

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.clerk.samples import SampleUser
from accounts.models import IdentityConflict, User
from accounts.notifications.send import send_notification
from accounts.privacy import exports
from profiles.models import BuilderProfile, ContactMessage
from tests.helpers.clients import signed_in
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

PAGE, CONTACT = "/builders/olive-owner/", "/builders/olive-owner/contact/"
TYPED = {"subject": "An app for my shop", "body": "Can you build it?"}


@pytest.fixture
def olive(webhook: WebhookClient) -> SampleUser:
    """Return a builder with a public page."""
    olive = person(first_name="Olive", last_name="Owner", email="olive@example.com", roles=["BUILDER"])
    webhook.created(olive)
    BuilderProfile.objects.update(headline="Apps", unpublished_at=None)
    return olive


@pytest.fixture
def vera(webhook: WebhookClient) -> SampleUser:
    vera = person(first_name="Vera", last_name="Visitor", email="vera@example.com", roles=["CLIENT"])
    webhook.created(vera)
    return vera


def without_address(user: SampleUser, webhook: WebhookClient) -> SampleUser:
    """Remove the user's only address."""
    changed = user.with_changes(email=None)
    assert webhook.updated(changed) == "processed"
    return changed


def stored(user: SampleUser) -> User:
    return User.objects.get(clerk_id=user.clerk_id)


def text_of(user: SampleUser, path: str) -> str:
    response = signed_in(user).get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def test_builder_cannot_be_contacted_and_learns_why(
    olive: SampleUser, vera: SampleUser, webhook: WebhookClient
) -> None:
    assert CONTACT in text_of(vera, PAGE)
    without_address(olive, webhook)
    user = stored(olive)
    assert (user.email, user.email_verified_at, user.is_active) == (None, None, True)
    assert Client().get(PAGE).status_code == 200
    assert CONTACT not in text_of(vera, PAGE)
    assert signed_in(vera).post(CONTACT, TYPED).status_code == 403
    assert "Clients cannot message you" in text_of(olive, PAGE)
    assert "Add email address" in text_of(olive, "/account/")


def test_message_that_was_not_emailed_yet_is_kept(olive: SampleUser, vera: SampleUser, webhook: WebhookClient) -> None:
    assert signed_in(vera).post(CONTACT, TYPED).status_code == 302
    without_address(olive, webhook)
    [job] = ProcrastinateJob.objects.filter(task_name="accounts.notifications.send.send_notification")
    send_notification(**job.args)
    assert (mail.outbox, ContactMessage.objects.get().mailed_at) == ([], None)
    assert "Not emailed yet" in text_of(vera, "/account/messages/")


def test_sender_is_told_that_builders_cannot_reply(olive: SampleUser, vera: SampleUser, webhook: WebhookClient) -> None:
    assert "Builders cannot reply to you" not in text_of(vera, "/account/messages/")
    without_address(vera, webhook)
    assert 'href="/account/security/?next=/account/messages/"' in text_of(vera, "/account/messages/")
    response = signed_in(vera).post(CONTACT, TYPED)
    assert response.status_code == 422
    assert "Verify an email address in your account" in response.content.decode()
    assert not ContactMessage.objects.exists()


def test_every_page_and_the_data_export_work(olive: SampleUser, webhook: WebhookClient) -> None:
    without_address(olive, webhook)
    for path in ("/account/", "/account/security/", "/account/roles/", "/account/messages/", "/account/delete/"):
        assert signed_in(olive).get(path).status_code == 200
    assert json.loads(text_of(olive, "/api/profiles/me"))["user"]["email"] is None
    signed_in(olive).post("/account/exports/")
    export = stored(olive).data_exports.get()
    exports.build_export(export.pk)
    assert f"/account/exports/{export.public_id}/" in text_of(olive, "/account/")


def test_new_address_makes_the_builder_reachable_again(
    olive: SampleUser, vera: SampleUser, webhook: WebhookClient
) -> None:
    changed = without_address(olive, webhook)
    added = changed.with_changes(email="new@example.com", email_verified=False)
    webhook.updated(added)
    assert CONTACT not in text_of(vera, PAGE)
    webhook.updated(added.with_changes(email_verified=True))
    assert CONTACT in text_of(vera, PAGE)
    assert "Clients cannot message you" not in text_of(olive, PAGE)


def test_removed_address_can_be_used_by_another_person(olive: SampleUser, webhook: WebhookClient) -> None:
    """The new account is neither linked to the old one nor in conflict with it."""
    without_address(olive, webhook)
    other = person(first_name="Omar", email="olive@example.com", created_at=timezone.now())
    assert webhook.created(other) == "processed"
    assert stored(other).email == "olive@example.com"
    assert not IdentityConflict.objects.exists()
