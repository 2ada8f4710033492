"""Django admin pages for the audit log."""

from audit.admin.chain import AuditSealAdmin, CheckpointTargetAdmin
from audit.admin.log import AuditLogAdmin
from audit.admin.verifications import AuditVerificationAdmin

__all__ = [
    "AuditLogAdmin",
    "AuditSealAdmin",
    "AuditVerificationAdmin",
    "CheckpointTargetAdmin",
]
