"""Export and erase the personal data in the audit log. See core.personal_data."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.models import Q

from audit import log
from audit.log import SYSTEM
from audit.models import AuditLog
from core.personal_data import PersonalData

#: Sets the personal columns to NULL. The trigger allows only this change, and only for users who are marked as erased.
_ERASE_SUBJECT = """
UPDATE audit_auditlog SET target_label = NULL, personal_salt = NULL,
    details = CASE WHEN action = ANY (%(permanent)s) THEN details END
WHERE subject_id = %(user)s AND action <> 'PERSON_ERASED'
"""
_ERASE_ACTOR = """
UPDATE audit_auditlog SET actor_label = NULL, ip_address = NULL, user_agent = NULL, actor_salt = NULL
WHERE actor_id = %(user)s OR actor_id IS NULL AND subject_id = %(user)s AND action <> 'PERSON_ERASED'
"""
Action = AuditLog.Action
#: Rows that would reveal that another person has the same email address.
_NOT_EXPORTED = (Action.CONFLICT_OPENED, Action.CONFLICT_RESOLVED)
#: Rows whose details contain another account's name and email address.
_WITHOUT_DETAILS = (Action.IDENTITY_MOVED,)
YOU, ADMINISTRATOR = "you", "an administrator"

#: Models that this module exports and erases.
COVERED = (AuditLog,)


def export(user: AbstractBaseUser) -> PersonalData:
    """Return rows about the user and rows for the user's actions, without other people's personal data."""
    found = AuditLog.objects.filter(Q(subject_id=user.pk) | Q(actor_id=user.pk)).exclude(action__in=_NOT_EXPORTED)
    return PersonalData({"log": [_exported(row, user.pk) for row in found.order_by("id").iterator()]})


def _exported(row: AuditLog, user_id: int) -> dict[str, Any]:
    """Return a row without other people's personal data.

    Details and labels belong to the subject. The IP address and browser belong to the actor. For webhooks, they belong
    to the person who made the change in Clerk, who can be an administrator.
    """
    is_about = row.subject_id == user_id
    is_own = row.actor_id == user_id and row.impersonator is None
    return {
        "timestamp": row.timestamp,
        "action": row.action,
        "source": row.source,
        "actor": YOU if is_own else _other_actor(row),
        "target": row.target.partition(":")[0],
        "target_label": row.target_label if is_about else None,
        "changed_fields": row.changed_fields,
        "details": row.details if is_about and row.action not in _WITHOUT_DETAILS else None,
        "ip_address": row.ip_address if is_own else None,
        "user_agent": row.user_agent if is_own else None,
    }


def _other_actor(row: AuditLog) -> str | None:
    return None if row.actor_id is None else ADMINISTRATOR


def erase(user: AbstractBaseUser) -> None:
    """Record the erasure, then erase rows about the user, and the actor columns in rows for the user's actions.

    The user must be marked as erased. In rows about the user, actor columns that belong to another person are kept.
    """
    # Reload the user, because `user` may still contain the name that another module has erased.
    target = get_user_model()._default_manager.get(pk=user.pk)
    log.record(AuditLog.Action.PERSON_ERASED, actor=SYSTEM, target=target)
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_SUBJECT, {"user": user.pk, "permanent": sorted(AuditLog.PERMANENT_DETAILS)})
        cursor.execute(_ERASE_ACTOR, {"user": user.pk})
