"""What the audit log holds about a person; see core.personal_data."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.models import Q

from audit.models import AuditLog
from core.personal_data import PersonalData, export_rows

#: Columns that tell who somebody was; the trigger lets them go to NULL, and nothing else.
_ERASE_SUBJECT = """
UPDATE audit_auditlog SET target_label = NULL, details = NULL, ip_address = NULL, user_agent = NULL, actor_label = NULL,
    personal_salt = NULL, actor_salt = NULL
WHERE subject_id = %s
"""
_ERASE_ACTOR = """
UPDATE audit_auditlog SET actor_label = NULL, ip_address = NULL, user_agent = NULL, actor_salt = NULL
WHERE actor_id = %s
"""
#: What is of no use to the person, and is kept to prove that rows were not changed.
_INTERNAL = {"personal_salt", "actor_salt", "personal_parts", "personal_digest", "transaction"}


def export(user: AbstractBaseUser) -> PersonalData:
    """Return the log of what happened to the person, and of what the person did."""
    found = AuditLog.objects.filter(Q(subject_id=user.pk) | Q(actor_id=user.pk)).order_by("id")
    return PersonalData({"log": export_rows(found, exclude=_INTERNAL)})


def erase(user: AbstractBaseUser) -> None:
    """Empty the personal columns of rows about the person, and in those of the person's deeds, who it was."""
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_SUBJECT, [user.pk])
        cursor.execute(_ERASE_ACTOR, [user.pk])
