"""The page of one event tells what became of it, and shows personal values to few, once, and never unnoticed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import User
from audit import log
from audit.models import AuditLog
from tests.helpers.clients import signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.test_retries import failed_event, trouble
from webhooks import inbox, outlook, signatures
from webhooks.models import Attempt, WebhookEvent

pytestmark = pytest.mark.django_db

State, ErrorClass = WebhookEvent.State, WebhookEvent.ErrorClass
ZOFIA = person(first_name="Zofia", last_name="<Wąs>", email="zofia@example.com", username="zofka", roles=["BUILDER"])
#: What is hidden of her.
HIDDEN = ("zofia@example.com", "zofka", "https://img.clerk.com/")


@pytest.fixture
def operator() -> Client:
    return with_password()


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam")
    return adam


def address(event: WebhookEvent, page: str = "change") -> str:
    return f"/admin/webhooks/webhookevent/{event.pk}/{page}/"


def html(browser: Client, event: WebhookEvent) -> str:
    response = browser.get(address(event))
    assert f"{event.secret_fingerprint} (number 1 of the 2 in CLERK_WEBHOOK_SECRET)" in page
    settings.CLERK_WEBHOOK_SECRETS = settings.CLERK_WEBHOOK_SECRETS[:1]
    assert f"{event.secret_fingerprint} (the one in CLERK_WEBHOOK_SECRET)" in text(operator, event)
