"""System checks for the audit app. IDs are never reused."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ValidationError

from audit.sealing import checkpoints, keys


@checks.register(checks.Tags.security, deploy=True)
def check_sealing(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: the audit log is not sealed."""
    if settings.AUDIT_SEAL_KEYS:
        return []
    return [
        checks.Warning(
            "AUDIT_SEAL_KEY is not set, so the audit log is not sealed. The database owner could change it without being detected.",
            hint="Set it to at least 32 random characters, and keep a copy outside the database and its backups.",
            id="audit.W001",
        )
    ]


@checks.register(checks.Tags.security)
def check_keys(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: a key is too short."""
    return [
        checks.Error(
            f"Entry {position} of AUDIT_SEAL_KEY is shorter than {keys.MIN_LENGTH} characters.",
            hint="Generate a key with: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="audit.E002",
        )
        for position, key in enumerate(settings.AUDIT_SEAL_KEYS, 1)
        if len(key) < keys.MIN_LENGTH
    ]


@checks.register(checks.Tags.security)
def check_checkpoints(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003: a destination is invalid."""
    found: list[checks.CheckMessage] = []
    for destination in settings.AUDIT_CHECKPOINTS:
        try:
            checkpoints.validate_destination(destination)
        except (ValueError, ValidationError) as error:
            reason = error.messages[0] if isinstance(error, ValidationError) else error
            found.append(
                checks.Error(
                    f"{destination!r} in AUDIT_CHECKPOINTS is invalid: {reason}.",
                    hint="Use file:/path, mail:address or log. Separate several with commas.",
                    id="audit.E003",
                )
            )
    return found
