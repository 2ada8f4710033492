"""People, and what passes between them and Clerk, in the Django admin."""

from accounts.admin.people import EndedSessionAdmin, MetadataPushAdmin, UserAdmin
from accounts.admin.reconciliation import ReconciliationAdmin

__all__ = ["EndedSessionAdmin", "MetadataPushAdmin", "ReconciliationAdmin", "UserAdmin"]
