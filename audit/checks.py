"""System checks of the audit app. Ids are never reused."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ValidationError

from audit.sealing import checkpoints, keys


@checks.register(checks.Tags.security, deploy=True)
def check_sealing(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: nothing is sealed."""
    if settings.AUDIT_SEAL_KEYS:
        return []
    return [
        checks.Warning(
            "AUDIT_SEAL_KEY is not set, so the audit log is not sealed: whoever owns the database could change it unnoticed.",
            hint="Set it to 32 or more random characters, and keep a copy where the database is not.",
            id="audit.W001",
        )
    ]


@checks.register(checks.Tags.security)
def check_keys(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: a key could be guessed."""
    return [
        checks.Error(
            f"Entry {position} of AUDIT_SEAL_KEY is shorter than {keys.SHORTEST} characters.",
            hint="python -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="audit.E002",
        )
        for position, key in enumerate(settings.AUDIT_SEAL_KEYS, 1)
        if len(key) < keys.SHORTEST
    ]


@checks.register(checks.Tags.security)
def check_checkpoints(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003: checkpoints cannot be sent there."""
    found: list[checks.CheckMessage] = []
    for address in settings.AUDIT_CHECKPOINTS:
        try:
            checkpoints.check(address)
        except (ValueError, ValidationError) as error:
            reason = error.messages[0] if isinstance(error, ValidationError) else error
            found.append(
                checks.Error(
                    f"{address!r} in AUDIT_CHECKPOINTS is no target: {reason}.",
                    hint="Targets are file:/path, mail:address and log, separated by commas.",
                    id="audit.E003",
                )
            )
    return found
