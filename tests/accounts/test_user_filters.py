"""Filters of the user list in the admin: role, state and last event."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import IdentityConflict, Reconciliation, User
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db
URL = "/admin/accounts/user/"


@pytest.fixture
def operator() -> Client:
    return with_password()


def listed(operator: Client, **query: str) -> set[str]:
    response = operator.get(URL, query)
    assert response.status_code == 200
    return {user.name for user in response.context["cl"].result_list if not user.is_superuser}


def test_users_are_filtered_by_role(operator: Client) -> None:
    UserFactory.create(name="Olive", builder=True, client=True)
    UserFactory.create(name="Vera", client=True)
    UserFactory.create(name="Nora")
    assert listed(operator, role="BUILDER") == {"Olive"}
    assert listed(operator, role="CLIENT") == {"Olive", "Vera"}
    assert listed(operator, role="none") == {"Nora"}
    assert listed(operator, role="OWNER") == {"Olive", "Vera", "Nora"}


def test_users_are_filtered_by_state(operator: Client) -> None:
    now = timezone.now()
    UserFactory.create(name="Active")
    UserFactory.create(name="Banned", banned=True)
    UserFactory.create(name="Locked", locked=True)
    UserFactory.create(name="Deleted", deleted=True)
    UserFactory.create(name="Moved", is_active=False)
    UserFactory.create(name="Provisional", clerk_version="")
    UserFactory.create(name="Drifted", clerk_id="user_drifted")
    UserFactory.create(name="Old drift", clerk_id="user_old")
    first, second = UserFactory.create(name="First"), UserFactory.create(name="Second")
    IdentityConflict.objects.create(user=first, other=second, kind="several", email="x@example.com")
    for clerk_id, age in (("user_drifted", timedelta(days=1)), ("user_old", timedelta(days=8))):
        example = {"clerk_id": clerk_id, "kind": "stale", "fields": ["name"], "since": None}
        Reconciliation.objects.create(kind="recent", started_at=now - age, examples=[example])
    for state in ("banned", "locked", "deleted", "moved", "provisional", "drifted"):
        assert listed(operator, state=state) == {state.capitalize()}
    assert listed(operator, state="conflict") == {"First", "Second"}
    assert not {"Banned", "Deleted", "Moved"} & listed(operator, state="active")
    assert [user.is_superuser for user in operator.get(URL, {"state": "operator"}).context["cl"].result_list] == [True]


def test_users_are_filtered_by_last_event(operator: Client) -> None:
    for name, days in (("Today", 0.1), ("Week", 5), ("Month", 20), ("Older", 40)):
        event(UserFactory.create(name=name), name, days)
    UserFactory.create(name="Never")
    assert listed(operator, last_event="24h") == {"Today"}
    assert listed(operator, last_event="7d") == {"Today", "Week"}
    assert listed(operator, last_event="30d") == {"Today", "Week", "Month"}
    assert listed(operator, last_event="older") == {"Older", "Never"}
    assert listed(operator, last_event="never") == {"Never"}


def test_filters_are_combined(operator: Client) -> None:
    UserFactory.create(name="Olive", builder=True, banned=True)
    UserFactory.create(name="Vera", client=True, banned=True)
    assert listed(operator, role="BUILDER", state="banned", last_event="never") == {"Olive"}


def event(user: User, name: str, days: float) -> None:
    moment = timezone.now() - timedelta(days=days)
    WebhookEvent.objects.create(
        svix_id=f"msg_{name}",
        event_type="user.updated",
        state="processed",
        received_at=moment,
        last_delivery_at=moment,
        processed_at=moment,
        clerk_user_id=user.clerk_id,
    )
