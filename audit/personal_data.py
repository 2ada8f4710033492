"""Export and erase the personal data in the audit log. See core.personal_data."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.models import Q

from audit import log
from audit.models import AuditLog
from core.personal_data import PersonalData, export_rows

#: Set the personal columns to NULL. The trigger allows no other change, and only for users who are marked as erased.
_ERASE_SUBJECT = """
UPDATE audit_auditlog SET target_label = NULL, personal_salt = NULL,
    details = CASE WHEN action = ANY (%(permanent)s) THEN details END
WHERE subject_id = %(user)s AND action <> 'PERSON_ERASED'
"""
_ERASE_ACTOR = """
UPDATE audit_auditlog SET actor_label = NULL, ip_address = NULL, user_agent = NULL, actor_salt = NULL
WHERE actor_id = %(user)s OR actor_id IS NULL AND subject_id = %(user)s AND action <> 'PERSON_ERASED'
"""
#: Not exported: these columns only serve to detect changes.
_INTERNAL = {"personal_salt", "actor_salt", "column_digests", "personal_digest", "transaction"}

#: Models that this module exports and erases.
COVERED = (AuditLog,)


def export(user: AbstractBaseUser) -> PersonalData:
    found = AuditLog.objects.filter(Q(subject_id=user.pk) | Q(actor_id=user.pk)).order_by("id")
    return PersonalData({"log": export_rows(found, exclude=_INTERNAL)})


def erase(user: AbstractBaseUser) -> None:
    """Record the erasure, then erase rows about the user and the actor's columns of rows of their actions.

    The user must be marked as erased. The actor's columns of rows about the user that belong to someone else stay.
    """
    # Read again, because `user` may still have the name that was erased elsewhere.
    target = get_user_model()._default_manager.get(pk=user.pk)
    log.record(AuditLog.Action.PERSON_ERASED, actor=None, target=target)
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_SUBJECT, {"user": user.pk, "permanent": sorted(AuditLog.PERMANENT_DETAILS)})
        cursor.execute(_ERASE_ACTOR, {"user": user.pk})
