"""Django admin pages for the audit log."""

from audit.admin.chain import AuditSealAdmin, AuditVerificationAdmin, CheckpointTargetAdmin
from audit.admin.log import AuditLogAdmin

__all__ = [
    "AuditLogAdmin",
    "AuditSealAdmin",
    "AuditVerificationAdmin",
    "CheckpointTargetAdmin",
]
