"""Django admin pages for users and their sync with Clerk."""

from accounts.admin.access_runs import AccessRunAdmin
from accounts.admin.admin_grants import AdminGrantAdmin
from accounts.admin.flags import FlagAdmin
from accounts.admin.groups import GroupAdmin
from accounts.admin.identity import IdentityConflictAdmin
from accounts.admin.imports import UserImportAdmin
from accounts.admin.leads import LeadAdmin
from accounts.admin.legal import AgreementAdmin, LegalVersionAdmin
from accounts.admin.notifications import NotificationAdmin
from accounts.admin.organizations import OrganizationAdmin, OrganizationMembershipAdmin
from accounts.admin.reconciliation import ReconciliationAdmin
from accounts.admin.users import DataExportAdmin, EndedSessionAdmin, MetadataPushAdmin, UserAdmin

__all__ = [
    "AccessRunAdmin",
    "AdminGrantAdmin",
    "AgreementAdmin",
    "DataExportAdmin",
    "EndedSessionAdmin",
    "FlagAdmin",
    "GroupAdmin",
    "IdentityConflictAdmin",
    "LeadAdmin",
    "LegalVersionAdmin",
    "MetadataPushAdmin",
    "NotificationAdmin",
    "OrganizationAdmin",
    "OrganizationMembershipAdmin",
    "ReconciliationAdmin",
    "UserAdmin",
    "UserImportAdmin",
]
