"""Actions by owners and admins on a whole profile.

Each action locks the profile row and writes one audit row. Admins' decisions also notify the owner. Each action compares the new
state with the locked row, so a repeated action, such as a double click, changes nothing.
"""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from profiles.lifecycle import apply_changes, lock_profile
from profiles.models import Badge, BuilderProfile, CheckedItem
from profiles.moderation import emails


class EvidenceMissing(Exception):
    """Evidence for a higher tier is missing. The message is shown to the admin."""


@transaction.atomic
def publish(profile: BuilderProfile, *, actor: Actor) -> None:
    """Publish the page. It stays private if there is another reason, for example if an admin has hidden it."""
    stored = lock_profile(profile)
    if stored.unpublished_at:
        apply_changes(stored, actor=actor, unpublished_at=None)


@transaction.atomic
def unpublish(profile: BuilderProfile, *, actor: Actor) -> None:
    stored = lock_profile(profile)
    if not stored.unpublished_at:
        apply_changes(stored, actor=actor, unpublished_at=timezone.now())


@transaction.atomic
def set_tier(
    profile: BuilderProfile,
    tier: int,
    evidence: str,
    *,
    actor: Actor,
    checked_items: Sequence[str] = (),
    checked_projects: int = 0,
    notify: bool = True,
) -> bool:
    """Set the validation tier and its evidence, and what the page says was checked. The tier is pushed to Clerk.

    Pages in the first tier do not claim that anything was checked.

    Args:
        notify: email the owner if the tier changes. A decision about a review request sends its own email.

    Returns:
        Whether the tier has changed.

    Raises:
        EvidenceMissing: the tier is higher and the evidence is blank.
    """
    stored = lock_profile(profile)
    if tier > stored.validation_tier and not evidence:
        raise EvidenceMissing(
            _("Enter the evidence for a higher tier: what was reviewed, by whom and where it is stored.")
        )
    is_reviewed = tier > BuilderProfile.Tier.ENTRY
    checked = {
        "checked_items": [item for item in CheckedItem.values if item in checked_items and is_reviewed],
        "checked_projects": checked_projects if is_reviewed else 0,
    }
    new = {"validation_tier": tier, "validation_evidence": evidence, **checked}
    changed = {name: value for name, value in new.items() if getattr(stored, name) != value}
    if tier > stored.validation_tier or not changed.keys().isdisjoint(checked):
        changed["checked_at"] = timezone.now() if any(checked.values()) else None
    if changed:
        apply_changes(stored, actor=actor, **changed, validated_at=timezone.now())
    if notify and "validation_tier" in changed:
        emails.notify_tier(stored)
    return "validation_tier" in changed


@transaction.atomic
def award(profile: BuilderProfile, kind: str, evidence: str, *, actor: Actor, notify: bool = True) -> bool:
    """Award a badge, and return whether it is new. An existing badge's evidence is not changed.

    Args:
        notify: email the owner. A decision about a review request sends its own email.
    """
    stored = lock_profile(profile)
    before = _kinds(stored)
    if kind in before:
        return False
    badge = Badge.objects.create(builder=stored, kind=kind, evidence=evidence, awarded_by=actor.user)
    _record_badges(stored, before, evidence, actor)
    if notify:
        emails.notify_badge(badge)
    return True


@transaction.atomic
def withdraw(profile: BuilderProfile, kind: str, reason: str, *, actor: Actor) -> bool:
    """Withdraw a badge, and return whether the profile had it."""
    stored = lock_profile(profile)
    before = _kinds(stored)
    if kind not in before:
        return False
    Badge.objects.filter(builder=stored, kind=kind).delete()
    _record_badges(stored, before, reason, actor)
    emails.notify_badge_withdrawn(stored, kind)
    return True


@transaction.atomic
def feature(profile: BuilderProfile, *, actor: Actor) -> None:
    """Feature the profile, so that it comes first in the directory."""
    stored = lock_profile(profile)
    if not stored.featured_at:
        apply_changes(stored, actor=actor, featured_at=timezone.now())


@transaction.atomic
def unfeature(profile: BuilderProfile, *, actor: Actor) -> None:
    stored = lock_profile(profile)
    if stored.featured_at:
        apply_changes(stored, actor=actor, featured_at=None)


@transaction.atomic
def hide(profile: BuilderProfile, reason: str, *, actor: Actor) -> None:
    """Hide a page from the public and store a reason for its owner.

    If the page is already hidden, update the reason.
    """
    stored = lock_profile(profile)
    if stored.hidden_at and stored.hidden_reason == reason:
        return
    since = {} if stored.hidden_at else {"hidden_at": timezone.now()}
    apply_changes(stored, actor=actor, **since, hidden_reason=reason)
    emails.notify_hidden(stored)


@transaction.atomic
def unhide(profile: BuilderProfile, *, actor: Actor) -> None:
    stored = lock_profile(profile)
    if stored.hidden_at:
        reason = stored.hidden_reason
        apply_changes(stored, actor=actor, hidden_at=None, hidden_reason="")
        emails.notify_shown(stored, reason)


def _kinds(profile: BuilderProfile) -> list[str]:
    return sorted(Badge.objects.filter(builder=profile).values_list("kind", flat=True))


def _record_badges(profile: BuilderProfile, before: list[str], evidence: str, actor: Actor) -> None:
    log.record(
        AuditLog.Action.PROFILE_UPDATED,
        actor=actor,
        target=profile,
        subject=profile.user,
        changes={"badges": (before, _kinds(profile))},
        evidence=evidence,
    )
