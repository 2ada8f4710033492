"""What owners and admins do with a whole profile: each deed locks the row, and leaves one row in the audit log.

Done twice, such as by a double click, each has one effect: what is to change is decided by the locked row.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit import log
from audit.models import AuditLog
from profiles.lifecycle import apply_changes, lock_profile
from profiles.models import Badge, BuilderProfile


class EvidenceMissing(Exception):
    """A higher tier without grounds; the message says what is wanted, to the person who tried."""


@transaction.atomic
def publish(profile: BuilderProfile, *, actor: User, origin: log.Origin) -> None:
    """Let the public see the page, unless another reason keeps it away."""
    stored = lock_profile(profile)
    if stored.unpublished_at:
        apply_changes(stored, origin, actor=actor, unpublished_at=None)


@transaction.atomic
def unpublish(profile: BuilderProfile, *, actor: User, origin: log.Origin) -> None:
    """Keep the page from the public until its owner publishes it again."""
    stored = lock_profile(profile)
    if not stored.unpublished_at:
        apply_changes(stored, origin, actor=actor, unpublished_at=timezone.now())


@transaction.atomic
def set_tier(profile: BuilderProfile, tier: int, evidence: str, *, actor: User, origin: log.Origin) -> None:
    """Set the validation tier, which Clerk is told, and what it rests on.

    Raises:
        EvidenceMissing: the tier would be raised and no evidence is given.
    """
    stored = lock_profile(profile)
    if tier > stored.validation_tier and not evidence:
        raise EvidenceMissing(_("Say what the higher tier rests on: what was reviewed, by whom, and where it is kept."))
    new = {"validation_tier": tier, "validation_evidence": evidence}
    changed = {name: value for name, value in new.items() if getattr(stored, name) != value}
    if changed:
        apply_changes(stored, origin, actor=actor, **changed, validated_at=timezone.now())


@transaction.atomic
def award(profile: BuilderProfile, kind: str, evidence: str, *, actor: User, origin: log.Origin) -> bool:
    """Give a badge, and return whether it is new; one that is there already keeps its evidence."""
    stored = lock_profile(profile)
    before = _kinds(stored)
    if kind in before:
        return False
    Badge.objects.create(builder=stored, kind=kind, evidence=evidence, awarded_by=actor)
    _record_badges(stored, before, evidence, actor, origin)
    return True


@transaction.atomic
def withdraw(profile: BuilderProfile, kind: str, why: str, *, actor: User, origin: log.Origin) -> bool:
    """Take a badge back, and return whether it was there."""
    stored = lock_profile(profile)
    before = _kinds(stored)
    if kind not in before:
        return False
    Badge.objects.filter(builder=stored, kind=kind).delete()
    _record_badges(stored, before, why, actor, origin)
    return True


@transaction.atomic
def feature(profile: BuilderProfile, *, actor: User, origin: log.Origin) -> None:
    """Put a page first in the directory."""
    stored = lock_profile(profile)
    if not stored.featured_at:
        apply_changes(stored, origin, actor=actor, featured_at=timezone.now())


@transaction.atomic
def unfeature(profile: BuilderProfile, *, actor: User, origin: log.Origin) -> None:
    """Put a page where it stands by itself."""
    stored = lock_profile(profile)
    if stored.featured_at:
        apply_changes(stored, origin, actor=actor, featured_at=None)


@transaction.atomic
def hide(profile: BuilderProfile, reason: str, *, actor: User, origin: log.Origin) -> None:
    """Keep a page from the public, for a reason that its owner reads; hidden already, only the reason changes."""
    stored = lock_profile(profile)
    if stored.hidden_at and stored.hidden_reason == reason:
        return
    since = {} if stored.hidden_at else {"hidden_at": timezone.now()}
    apply_changes(stored, origin, actor=actor, **since, hidden_reason=reason)


@transaction.atomic
def show(profile: BuilderProfile, *, actor: User, origin: log.Origin) -> None:
    """Stop hiding a page."""
    stored = lock_profile(profile)
    if stored.hidden_at:
        apply_changes(stored, origin, actor=actor, hidden_at=None, hidden_reason="")


def _kinds(profile: BuilderProfile) -> list[str]:
    return sorted(Badge.objects.filter(builder=profile).values_list("kind", flat=True))


def _record_badges(profile: BuilderProfile, before: list[str], why: str, actor: User, origin: log.Origin) -> None:
    log.record(
        AuditLog.Action.PROFILE_UPDATED,
        actor=actor,
        target=profile,
        subject=profile.user,
        origin=origin,
        changes={"badges": (before, _kinds(profile))},
        evidence=why,
    )
