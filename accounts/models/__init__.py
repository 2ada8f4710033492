"""Models for users and for state shared with Clerk."""

from accounts.models.access_runs import AccessRun
from accounts.models.admin_grants import AdminGrant
from accounts.models.clerk import ClerkRateLimit, EndedSession, MetadataPush
from accounts.models.flags import Flag
from accounts.models.identity import IdentityConflict
from accounts.models.imports import ImportedAccount, RefusedLine, UserImport
from accounts.models.leads import Lead
from accounts.models.legal import Agreement, LegalVersion
from accounts.models.notes import UserNote
from accounts.models.notifications import KnownDevice, Notification, NotificationPreferences
from accounts.models.organizations import Organization, OrganizationInvitation, OrganizationMembership
from accounts.models.preserved_forms import PreservedForm
from accounts.models.privacy import DataExport
from accounts.models.reconciliation import Reconciliation
from accounts.models.request_counts import RequestCount
from accounts.models.user import User

__all__ = [
    "AccessRun",
    "AdminGrant",
    "Agreement",
    "ClerkRateLimit",
    "DataExport",
    "EndedSession",
    "Flag",
    "IdentityConflict",
    "ImportedAccount",
    "KnownDevice",
    "Lead",
    "LegalVersion",
    "MetadataPush",
    "Notification",
    "NotificationPreferences",
    "Organization",
    "OrganizationInvitation",
    "OrganizationMembership",
    "PreservedForm",
    "Reconciliation",
    "RefusedLine",
    "RequestCount",
    "User",
    "UserImport",
    "UserNote",
]
