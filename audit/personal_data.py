"""Export and erase the personal data in the audit log. See core.personal_data."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.models import Q

from audit.models import AuditLog
from core.personal_data import PersonalData, export_rows

#: Set the personal columns to NULL. The append-only trigger allows no other change.
_ERASE_SUBJECT = """
UPDATE audit_auditlog SET target_label = NULL, details = NULL, ip_address = NULL, user_agent = NULL, actor_label = NULL,
    personal_salt = NULL, actor_salt = NULL
WHERE subject_id = %s
"""
_ERASE_ACTOR = """
UPDATE audit_auditlog SET actor_label = NULL, ip_address = NULL, user_agent = NULL, actor_salt = NULL
WHERE actor_id = %s
"""
#: Not exported: these columns only serve to detect changes.
_INTERNAL = {"personal_salt", "actor_salt", "column_digests", "personal_digest", "transaction"}

#: Models that this module exports and erases.
COVERED = (AuditLog,)


def export(user: AbstractBaseUser) -> PersonalData:
    found = AuditLog.objects.filter(Q(subject_id=user.pk) | Q(actor_id=user.pk)).order_by("id")
    return PersonalData({"log": export_rows(found, exclude=_INTERNAL)})


def erase(user: AbstractBaseUser) -> None:
    """Erase the personal columns of rows about the user, and the actor's columns of rows of their actions."""
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_SUBJECT, [user.pk])
        cursor.execute(_ERASE_ACTOR, [user.pk])
