"""The one writer of the audit log."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from audit.models import AuditLog
from audit.sealing.digests import personal_digest, personal_parts
from core.client_ip import get_client_ip
from core.db.statements import insert

#: A fact whose name contains one of these is refused: the log is read by many and kept for ever.
SECRET_WORDS = ("password", "secret", "token")

_pending: ContextVar[list[AuditLog] | None] = ContextVar("audit_pending", default=None)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from: by which way, by which delivery, and the address and browser of the acting person.

    Attributes:
        impersonator: the Clerk id of who really acts, when an operator is looking through a person's eyes.
    """

    source: AuditLog.Source = AuditLog.Source.SYSTEM
    delivery: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    impersonator: str | None = None

    @classmethod
    def of_request(cls, request: HttpRequest) -> "Origin":
        """Return the origin of what the person behind `request` does."""
        agent = request.headers.get("User-Agent", "")[:500].replace("\x00", "")
        return cls(
            AuditLog.Source.REQUEST,
            ip_address=get_client_ip(request),
            user_agent=agent or None,
            impersonator=getattr(request, "impersonator", None),
        )


SYSTEM = Origin()


def record(
    action: AuditLog.Action,
    *,
    actor: AbstractBaseUser | None,
    target: models.Model,
    subject: AbstractBaseUser | None = None,
    origin: Origin = SYSTEM,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    **facts: Any,
) -> None:
    """Write one row, in the transaction of the change it tells of.

    Args:
        action: what happened.
        actor: who did it; None is the system itself, or Clerk.
        target: the changed object.
        subject: the person it is about, if it is not the target itself.
        origin: where it came from.
        changes: old and new value of each changed field; only what really changed.
        facts: further values worth knowing, JSON-serialisable.

    Raises:
        ValueError: a field or fact is named like a secret.
    """
    details = _plain({**{name: list(pair) for name, pair in (changes or {}).items()}, **facts})
    for name in details:
        if any(word in name.lower() for word in SECRET_WORDS):
            raise ValueError(f"The audit log keeps no secrets: leave out {name!r}.")
    row = AuditLog(
        timestamp=timezone.now(),
        action=action,
        source=origin.source,
        actor_id=actor.pk if actor else None,
        actor_label=str(actor) if actor else None,
        target=target_of(target),
        target_label=str(target),
        subject_id=(subject or target).pk if subject or isinstance(target, AbstractBaseUser) else None,
        changed=sorted(changes or {}),
        delivery=origin.delivery,
        impersonator=origin.impersonator,
        details=details,
        ip_address=origin.ip_address,
        user_agent=origin.user_agent,
        personal_salt=os.urandom(16),
        actor_salt=os.urandom(16),
    )
    row.personal_parts = personal_parts(row)
    row.personal_digest = personal_digest(row)
    _write(row)


def target_of(row: models.Model) -> str:
    """Return what `target` is called in the log, such as accounts.user:42."""
    return f"{row._meta.label_lower}:{row.pk}"


@contextmanager
def collected() -> Iterator[None]:
    """Write the rows recorded inside as one statement, when the block ends well; a block that raises writes none.

    The block must lie inside the transaction of the changes.
    """
    rows: list[AuditLog] = []
    marker = _pending.set(rows)
    try:
        yield
    finally:
        _pending.reset(marker)
    if rows:
        insert(rows)


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts as they will be read back from JSON, so that digests of written and read rows agree."""
    plain: dict[str, Any] = json.loads(json.dumps(facts, cls=DjangoJSONEncoder))
    return plain


def _write(row: AuditLog) -> None:
    rows = _pending.get()
    if rows is None:
        insert([row])
    else:
        rows.append(row)
