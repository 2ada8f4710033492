"""Export and erase personal data in the accounts app. See core.personal_data."""

from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import F, Q
from django.utils import timezone

from accounts.leads import erasure as lead_erasure
from accounts.leads import services as leads
from accounts.models import (
    AdminGrant,
    Agreement,
    DataExport,
    EndedSession,
    IdentityConflict,
    ImportedAccount,
    Lead,
    MetadataPush,
    OrganizationInvitation,
    OrganizationMembership,
    PreservedForm,
    User,
    UserNote,
)
from accounts.notifications import privacy as notifications
from accounts.organizations import privacy as organizations
from core.personal_data import PersonalData, export_rows

#: Models that this module exports and erases.
COVERED = (
    User,
    EndedSession,
    PreservedForm,
    IdentityConflict,
    MetadataPush,
    DataExport,
    AdminGrant,
    UserNote,
    ImportedAccount,
    OrganizationMembership,
    OrganizationInvitation,
    *notifications.MODELS,
    Agreement,
    Lead,
)
#: States in which an admin decided that both accounts belong to the same person.
_SAME_PERSON = (IdentityConflict.State.LINKED, IdentityConflict.State.MOVED)


def export(user: User) -> PersonalData:
    owned_by_user = {"clerk_id": user.clerk_id or ""}
    conflicts = IdentityConflict.objects.filter(Q(user=user) | Q(other=user))
    return PersonalData(
        {
            "account": export_rows(
                User.objects.filter(pk=user.pk),
                exclude={"password", "is_superuser", "clerk_version", "clerk_field_versions"},
            ),
            "ended_sessions": export_rows(EndedSession.objects.filter(**owned_by_user)),
            "preserved_forms": export_rows(PreservedForm.objects.filter(**owned_by_user)),
            # Other conflicts would reveal that another person has an account with the same email address.
            "joined_accounts": export_rows(
                conflicts.filter(state__in=_SAME_PERSON),
                exclude={"id", "kind", "evidence", "note", "user_id", "other_id", "resolved_by_id"},
            ),
            "metadata_pushes": export_rows(MetadataPush.objects.filter(user=user)),
            "admin_requests": export_rows(
                AdminGrant.objects.filter(user=user), exclude={"id", "user_id", "requested_by_id", "decided_by_id"}
            ),
            "notes_by_administrators": export_rows(
                UserNote.objects.filter(user=user), exclude={"id", "user_id", "author_id"}
            ),
            "agreements": list(
                Agreement.objects.filter(user=user)
                .order_by("agreed_at", "pk")
                .values("agreed_at", "source", document=F("version__document"), number=F("version__number"))
            ),
            "imports": export_rows(ImportedAccount.objects.filter(user=user), exclude={"id", "run_id", "user_id"}),
            "leads": export_rows(
                leads.leads_of(user), exclude={"id", "user_id", "version", "decided_by_id", "approval_requested_by_id"}
            ),
            "organizations": organizations.export_memberships(user),
            "organization_invitations": organizations.export_invitations(user),
            **notifications.export(user),
            "exports": export_rows(DataExport.objects.filter(user=user), exclude={"archive"}),
        }
    )


def erase(user: User) -> None:
    """Erase everything except IDs, roles and timestamps."""
    leads.erase(leads.leads_of(user), user)
    written: dict[str, Any] = {
        "name": "",
        "username": "",
        "email": None,
        "email_verified_at": None,
        "image_url": "",
        "clerk_metadata": {},
    }
    User.objects.filter(pk=user.pk).update(**written, login=None, password=UNUSABLE_PASSWORD_PREFIX)
    owned_by_user = {"clerk_id": user.clerk_id or ""}
    EndedSession.objects.filter(**owned_by_user).delete()
    PreservedForm.objects.filter(**owned_by_user).delete()
    DataExport.objects.filter(user=user).delete()
    UserNote.objects.filter(user=user).delete()
    AdminGrant.objects.filter(user=user).update(reason="", decision_reason="")
    Agreement.objects.filter(user=user).delete()
    ImportedAccount.objects.filter(user=user).delete()
    organizations.erase(user)
    MetadataPush.objects.filter(user=user).update(last_error="")
    notifications.erase(user)
    conflicts = IdentityConflict.objects.filter(Q(user=user) | Q(other=user))
    conflicts.update(email="", evidence={}, note="")
    conflicts.filter(state=IdentityConflict.State.OPEN).update(
        state=IdentityConflict.State.OBSOLETE, resolved_at=timezone.now()
    )


def delete_expired() -> None:
    """Delete rows whose retention has ended, even if the user's account still exists. A job calls this every night."""
    organizations.delete_expired()
    notifications.delete_expired()
    DataExport.objects.filter(expires_at__lte=timezone.now()).delete()
    leads.erase_expired()
    lead_erasure.erase_deleted()
