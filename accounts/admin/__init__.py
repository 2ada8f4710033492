"""People, and what passes between them and Clerk, in the Django admin."""

from accounts.admin.flags import FlagAdmin
from accounts.admin.groups import GroupAdmin
from accounts.admin.identity import IdentityConflictAdmin
from accounts.admin.people import DataExportAdmin, EndedSessionAdmin, MetadataPushAdmin, UserAdmin
from accounts.admin.reconciliation import ReconciliationAdmin

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
