"""Choose the organizations that a builder page shows."""

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from accounts.models import OrganizationMembership
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile


@transaction.atomic
def show_organizations(profile: BuilderProfile, membership_ids: Collection[int], *, actor: Actor) -> bool:
    """Show the organizations of these memberships and hide all others. Return whether anything changed.

    Memberships that are not in effect are ignored. New memberships are hidden until the owner chooses them.
    """
    memberships = list(OrganizationMembership.objects.of(profile.user_id).select_for_update(of=("self",), no_key=True))
    before = [str(each.organization) for each in memberships if each.shown_at]
    for membership in memberships:
        is_chosen = membership.pk in membership_ids
        if is_chosen != (membership.shown_at is not None):
            membership.shown_at = timezone.now() if is_chosen else None
            membership.save(update_fields=["shown_at"])
    after = [str(each.organization) for each in memberships if each.shown_at]
    if before == after:
        return False
    changes = {"organizations": (before, after)}
    log.record(AuditLog.Action.PROFILE_UPDATED, actor=actor, target=profile, subject=profile.user, changes=changes)
    return True
