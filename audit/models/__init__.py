"""Models for the audit log and its seals."""

from audit.models.append_only import AppendOnlyError
from audit.models.log import AuditLog, AuditLogQuerySet
from audit.models.seals import AuditSeal, AuditVerification, CheckpointTarget

__all__ = [
    "AppendOnlyError",
    "AuditLog",
    "AuditLogQuerySet",
    "AuditSeal",
    "AuditVerification",
    "CheckpointTarget",
]
