"""Helpers that create an audit row and run SQL on it."""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from tests.helpers.factories import UserFactory

PERSONAL = ["actor_label", "target_label", "details", "ip_address", "user_agent"]


def create_row(**facts: Any) -> AuditLog:
    """Create an audit row with a value in every column."""
    adam, target = UserFactory.create(name="Adam Admin"), UserFactory.create(name="Olive Owner")
    actor = Actor(AuditLog.Source.WEBHOOK, "msg_1", "203.0.113.9", "Firefox", impersonator="user_2adam", user=adam)
    log.record(
        AuditLog.Action.USER_UPDATED,
        actor=actor,
        target=target,
        changes={"name": ("Old", "New")},
        **facts,
    )
    return AuditLog.objects.latest("pk")


def mark_erased(*users: User | int | None) -> None:
    """Mark users as erased and write the audit row, without erasing any data."""
    for user in User.objects.filter(pk__in=[getattr(user, "pk", user) for user in users]):
        User.objects.filter(pk=user.pk).update(erased_at=timezone.now(), deleted_at=timezone.now(), is_active=False)
        log.record(AuditLog.Action.PERSON_ERASED, actor=SYSTEM, target=user)


def execute_as_owner(*statements: str) -> None:
    """Run SQL with triggers disabled, as the database owner can."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)


def execute(statement: str) -> int:
    """Run SQL in a separate transaction and return the number of affected rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        count: int = cursor.rowcount
        return count
