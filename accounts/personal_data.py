"""What accounts hold about a person; see core.personal_data."""

from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Q
from django.utils import timezone

from accounts.models import DataExport, EndedSession, IdentityConflict, MetadataPush, PreservedForm, User
from core.personal_data import PersonalData, export_rows


def export(user: User) -> PersonalData:
    """Return the account, its sessions and forms, and what passed between it and Clerk."""
    of_person = {"clerk_id": user.clerk_id or ""}
    conflicts = IdentityConflict.objects.filter(Q(user=user) | Q(other=user))
    return PersonalData(
        {
            "account": export_rows(
                User.objects.filter(pk=user.pk), exclude={"password", "is_superuser", "clerk_version"}
            ),
            "ended_sessions": export_rows(EndedSession.objects.filter(**of_person)),
            "unsaved_forms": export_rows(PreservedForm.objects.filter(**of_person)),
            # The other account of a conflict may be somebody else's.
            "same_address_as_another_account": export_rows(
                conflicts, exclude={"evidence", "note", "user_id", "other_id"}
            ),
            "brought_to_clerk": export_rows(MetadataPush.objects.filter(user=user)),
            "exports": export_rows(DataExport.objects.filter(user=user), exclude={"archive"}),
        }
    )


def erase(user: User) -> None:
    """Leave of the account its ids, its roles and its times."""
    written: dict[str, Any] = {
        "name": "",
        "username": "",
        "email": None,
        "email_verified_at": None,
        "image_url": "",
        "clerk_metadata": {},
    }
    User.objects.filter(pk=user.pk).update(**written, login=None, password=UNUSABLE_PASSWORD_PREFIX)
    of_person = {"clerk_id": user.clerk_id or ""}
    EndedSession.objects.filter(**of_person).delete()
    PreservedForm.objects.filter(**of_person).delete()
    DataExport.objects.filter(user=user).delete()
    MetadataPush.objects.filter(user=user).update(last_error="")
    conflicts = IdentityConflict.objects.filter(Q(user=user) | Q(other=user))
    conflicts.update(email="", evidence={}, note="")
    conflicts.filter(state=IdentityConflict.State.OPEN).update(
        state=IdentityConflict.State.OBSOLETE, resolved_at=timezone.now()
    )
