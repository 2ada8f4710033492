"""Audit rows for changes to groups, their permissions and their members."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import User
from audit.models import AuditLog
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

REVEAL = "webhooks.reveal_payload"


@pytest.fixture
def operator() -> Client:
    return with_password()


@pytest.fixture
def vera() -> User:
    vera: User = UserFactory.create(admin=True)
    return vera


@pytest.fixture
def reveal() -> Permission:
    return Permission.objects.get(codename="reveal_payload")


def send(browser: Client, page: str, name: str = "Lookers", **submitted: Any) -> None:
    form = {"name": name, "User_groups-TOTAL_FORMS": "1", "User_groups-INITIAL_FORMS": "0"} | submitted
    assert browser.post(f"/admin/auth/group/{page}", form).status_code == 302


def audit_rows() -> list[tuple[str, str, Any]]:
    """Return the action, target and details of each audit row, oldest first."""
    rows = AuditLog.objects.filter(action__startswith="GROUP_").order_by("pk")
    return [(row.action, row.target, row.details) for row in rows]


def test_new_group_is_audited_with_permissions_and_members(operator: Client, vera: User, reveal: Permission) -> None:
    send(operator, "add/", permissions=[str(reveal.pk)], **{"User_groups-0-user": str(vera.pk)})
    group = Group.objects.get()
    assert audit_rows() == [
        ("GROUP_CHANGED", f"auth.group:{group.pk}", {"name": ["", "Lookers"], "permissions": [[], [REVEAL]]}),
        ("GROUP_JOINED", f"accounts.user:{vera.pk}", {"groups": [[], ["Lookers"]]}),
    ]
    row = AuditLog.objects.get(action="GROUP_JOINED")
    assert row.actor == User.objects.get(is_superuser=True)
    assert (row.subject, row.source, row.ip_address) == (vera, "request", "127.0.0.1")


def test_only_changes_are_audited(operator: Client, vera: User, reveal: Permission) -> None:
    group, other = Group.objects.create(name="Lookers"), Group.objects.create(name="Others")
    group.permissions.add(reveal)
    vera.groups.add(group, other)
    member = User.groups.through.objects.get(group=group)
    unchanged = {
        "User_groups-INITIAL_FORMS": "1",
        "User_groups-0-id": str(member.pk),
        "User_groups-0-group": str(group.pk),
        "User_groups-0-user": str(vera.pk),
    }
    send(operator, f"{group.pk}/change/", permissions=[str(reveal.pk)], **unchanged)
    assert audit_rows() == []
    send(operator, f"{group.pk}/change/", "Readers", **unchanged, **{"User_groups-0-DELETE": "on"})
    changes = {"name": ["Lookers", "Readers"], "permissions": [[REVEAL], []]}
    assert audit_rows() == [
        ("GROUP_CHANGED", f"auth.group:{group.pk}", changes),
        ("GROUP_LEFT", f"accounts.user:{vera.pk}", {"groups": [["Others", "Readers"], ["Others"]]}),
    ]


@pytest.mark.parametrize("at_once", (False, True))
def test_deleted_group_is_audited_with_its_members(
    operator: Client, vera: User, reveal: Permission, *, at_once: bool
) -> None:
    group = Group.objects.create(name="Lookers")
    group.permissions.add(reveal)
    vera.groups.add(group)
    if at_once:
        submitted = {"action": "delete_selected", "_selected_action": [str(group.pk)], "post": "yes"}
        operator.post("/admin/auth/group/", submitted)
    else:
        operator.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    assert not Group.objects.exists()
    assert audit_rows() == [
        ("GROUP_CHANGED", f"auth.group:{group.pk}", {"name": ["Lookers", ""], "permissions": [[REVEAL], []]}),
        ("GROUP_LEFT", f"accounts.user:{vera.pk}", {"groups": [["Lookers"], []]}),
    ]
