"""The audit log in the Django admin, and what all pages there share that only show."""

from audit.admin.chain import AuditSealAdmin, AuditVerificationAdmin, CheckpointTargetAdmin
from audit.admin.keyset import KeysetAdmin
from audit.admin.log import AuditLogAdmin
from audit.admin.posted import posted
from audit.admin.readonly import ReadOnlyAdmin

__all__ = [
    "AuditLogAdmin",
    "AuditSealAdmin",
    "AuditVerificationAdmin",
    "CheckpointTargetAdmin",
    "KeysetAdmin",
    "ReadOnlyAdmin",
    "posted",
]
