"""A row of the audit log, and SQL upon it."""

from typing import Any

from django.db import connection, transaction

from audit import log
from audit.models import AuditLog
from tests.helpers.factories import UserFactory

PERSONAL = ["actor_label", "target_label", "details", "ip_address", "user_agent"]


def a_row(**facts: Any) -> AuditLog:
    """Return a row in which every column has a value."""
    origin = log.Origin(AuditLog.Source.WEBHOOK, "msg_1", "203.0.113.9", "Firefox", impersonator="user_2adam")
    actor, target = UserFactory.create(name="Adam Admin"), UserFactory.create(name="Olive Owner")
    log.record(
        AuditLog.Action.USER_UPDATED,
        actor=actor,
        target=target,
        origin=origin,
        changes={"name": ("Old", "New")},
        **facts,
    )
    return AuditLog.objects.latest("pk")


def as_owner(*statements: str) -> None:
    """Run SQL as an owner of the database can: no trigger is asked."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)


def run(statement: str) -> int:
    """Run SQL in a transaction of its own and return the number of rows it touched."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        count: int = cursor.rowcount
        return count
