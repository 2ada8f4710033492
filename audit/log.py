"""Write the audit log. Only this module writes to it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from audit.models import AuditLog
from audit.sealing.digests import column_digests, personal_digest
from core.client_ip import get_client_ip
from core.db import joined_writes
from core.interface_languages import english
from core.text import postgres_safe

#: Facts with these words in their names are rejected, because the log is permanent and many people can read it.
SECRET_WORDS = ("password", "secret", "token")

#: Created once, because json.dumps creates an encoder per call.
_encode = DjangoJSONEncoder().encode


@dataclass(frozen=True, slots=True)
class Actor:
    """The origin of a change.

    Attributes:
        user: the user who made the change, or None if the system or Clerk did.
        delivery: the svix-id of the webhook that caused the change.
        ip_address, user_agent: the user's client.
        impersonator: the Clerk ID of the admin who is signed in as `user`.
    """

    source: AuditLog.Source = AuditLog.Source.SYSTEM
    delivery: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    impersonator: str | None = None
    user: Any = None

    @classmethod
    def from_request(cls, request: HttpRequest) -> "Actor":
        agent = postgres_safe(request.headers.get("User-Agent", "")[:500], nul="")
        user = getattr(request, "user", None)
        return cls(
            AuditLog.Source.REQUEST,
            ip_address=get_client_ip(request),
            user_agent=agent or None,
            impersonator=getattr(request, "impersonator", None),
            user=user if user is not None and user.is_authenticated else None,
        )

    def with_user(self, user: AbstractBaseUser | None) -> "Actor":
        return replace(self, user=user)


SYSTEM = Actor()


def record(
    action: AuditLog.Action,
    *,
    actor: Actor,
    target: models.Model,
    subject: AbstractBaseUser | None = None,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    **facts: Any,
) -> None:
    """Write one row. Call this in the transaction of the change.

    Args:
        actor: the origin of the change.
        target: the changed object.
        subject: the user that the change is about, if different from the target.
        changes: old and new values of each changed field.
        facts: other details, JSON-serialisable.

    Raises:
        ValueError: the name of a field or fact contains one of SECRET_WORDS.
    """
    with english():
        details = _as_json({**{name: list(pair) for name, pair in (changes or {}).items()}, **facts})
        actor_label, target_label = str(actor.user) if actor.user else None, str(target)
    for name in details:
        if any(word in name.lower() for word in SECRET_WORDS):
            raise ValueError(f"The audit log must not contain secrets. Remove {name!r}.")
    row = AuditLog(
        timestamp=timezone.now(),
        action=action,
        source=actor.source,
        actor_id=actor.user.pk if actor.user else None,
        actor_label=actor_label,
        target=target_key(target),
        target_label=target_label,
        subject_id=(subject or target).pk if subject or isinstance(target, AbstractBaseUser) else None,
        changed_fields=sorted(changes or {}),
        delivery=actor.delivery,
        impersonator=actor.impersonator,
        details=details,
        ip_address=actor.ip_address,
        user_agent=actor.user_agent,
        personal_salt=os.urandom(16),
        actor_salt=os.urandom(16),
    )
    row.column_digests = column_digests(row)
    row.personal_digest = personal_digest(row.column_digests)
    joined_writes.insert(row)


def target_key(row: models.Model) -> str:
    """Return a row's `AuditLog.target`, for example accounts.user:42, or accounts.user for an unsaved row."""
    return f"{row._meta.label_lower}:{row.pk}" if row.pk is not None else row._meta.label_lower


def _as_json(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts as they will be read back from JSON, so that rows have the same digest when written and read."""
    decoded: dict[str, Any] = json.loads(_encode(facts))
    return decoded
