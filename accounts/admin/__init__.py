"""Django admin pages for users and their sync with Clerk."""

from accounts.admin.flags import FlagAdmin
from accounts.admin.groups import GroupAdmin
from accounts.admin.identity import IdentityConflictAdmin
from accounts.admin.reconciliation import ReconciliationAdmin
from accounts.admin.users import DataExportAdmin, EndedSessionAdmin, MetadataPushAdmin, UserAdmin

__all__ = [
    "DataExportAdmin",
    "EndedSessionAdmin",
    "FlagAdmin",
    "GroupAdmin",
    "IdentityConflictAdmin",
    "MetadataPushAdmin",
    "ReconciliationAdmin",
    "UserAdmin",
]
