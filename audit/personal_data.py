"""What apps hold about a person: handed out to the person, and erased. Each app has a module of this name.

`settings.PERSONAL_DATA` lists the modules. Each has `export(user) -> Held` and `erase(user) -> None`; accounts.exports and
accounts.erasure call them, and know nothing else of the apps above.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, models
from django.db.models import Q

from audit.models import AuditLog

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


@dataclass(frozen=True, slots=True)
class Held:
    """What one app holds about a person.

    Attributes:
        facts: JSON-serialisable, readable without knowing the code.
        files: name in the archive, and content, of images and the like.
    """

    facts: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def rows(found: "models.QuerySet[Any]", *, without: set[str] | frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return rows as facts: each column under its name, but for those in `without`."""
    columns = [column.attname for column in found.model._meta.concrete_fields if column.attname not in without]
    return list(found.values(*columns))


def export(user: AbstractBaseUser) -> Held:
    """Return the log of what happened to the person, and of what the person did."""
    found = AuditLog.objects.filter(Q(subject_id=user.pk) | Q(actor_id=user.pk)).order_by("id")
    return Held({"log": rows(found, without=_INTERNAL)})


def erase(user: AbstractBaseUser) -> None:
    """Empty the personal columns of rows about the person, and in those of the person's deeds, who it was."""
    with connection.cursor() as cursor:
        cursor.execute(_ERASE_SUBJECT, [user.pk])
        cursor.execute(_ERASE_ACTOR, [user.pk])
