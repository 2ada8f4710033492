"""Review requests: builders ask for a tier or badge, and admins decide.

Rows are locked in the order user, profile, review request. A builder's requests are serialized by the profile's lock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from core.interface_languages import english
from profiles.lifecycle import lock_profile
from profiles.models import BuilderProfile, ReviewFile, ReviewRequest
from profiles.moderation import services as moderation
from profiles.permissions import can_decide_reviews
from profiles.reviews.evidence import EvidenceFile
from profiles.reviews.subjects import Subject, open_subjects
from profiles.signals import review_decided

State = ReviewRequest.State
#: Maximum number of requests per builder, and the period that the limit covers.
MAX_REQUESTS, LIMIT_PERIOD = 10, timedelta(days=1)
#: Maximum number of requests whose evidence one run of the job erases.
BATCH = 500


class ReviewRejectedError(Exception):
    """The request was rejected. The error text is shown to the builder."""


class AlreadyClosedError(Exception):
    """The request is no longer open. The error text is shown to the user."""


class AlreadyAssignedError(Exception):
    """The assignment has changed since the admin opened the page."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An admin's decision.

    Attributes:
        reason: shown to the builder.
        checked_items, checked_projects: what was checked before a tier was granted. Shown on the page.
        badge_evidence: the public evidence for a granted badge.
    """

    state: State
    reason: str
    checked_items: Sequence[str] = ()
    checked_projects: int = 0
    badge_evidence: str = ""


@transaction.atomic
def request_review(
    profile: BuilderProfile,
    subject: Subject,
    *,
    text: str,
    links: Sequence[str],
    files: Sequence[EvidenceFile],
    actor: Actor,
) -> ReviewRequest:
    """Store a request with its evidence.

    Raises:
        ReviewRejectedError: the builder already has the tier or badge or has asked for it, or has sent too many requests.
    """
    stored = lock_profile(profile)
    if subject not in open_subjects(stored):
        raise ReviewRejectedError(
            gettext("You already have this tier or badge, or a request for it is open. Choose something else.")
        )
    sent = ReviewRequest.objects.filter(builder=stored)
    if sent.filter(requested_at__gt=timezone.now() - LIMIT_PERIOD).count() >= MAX_REQUESTS:
        raise ReviewRejectedError(gettext("You have sent too many requests today. Try again tomorrow."))
    review = ReviewRequest.objects.create(
        builder=stored, tier=subject.tier, badge=subject.badge, text=text, links=list(links)
    )
    ReviewFile.objects.bulk_create(
        ReviewFile(review=review, name=file.name, kind=file.kind, size=len(file.content), content=file.content)
        for file in files
    )
    _record(AuditLog.Action.REVIEW_REQUESTED, review, actor)
    return review


@transaction.atomic
def withdraw(review: ReviewRequest, *, actor: Actor) -> None:
    """Close an open request without a decision, and erase its evidence.

    Raises:
        AlreadyClosedError: the request is no longer open.
    """
    stored = _lock_open(review)
    stored.state, stored.closed_at = State.WITHDRAWN, timezone.now()
    stored.save()
    erase_evidence([stored.pk])
    _record(AuditLog.Action.REVIEW_WITHDRAWN, stored, actor)


@transaction.atomic
def assign(review: ReviewRequest, assignee: User | None, *, instead_of: int | None, actor: Actor) -> None:
    """Assign an open request to an admin, or remove the assignment.

    Args:
        instead_of: the assignee's ID when the admin opened the page.

    Raises:
        AlreadyClosedError: the request is no longer open.
        AlreadyAssignedError: the assignee has changed since the admin opened the page.
        PermissionDenied: the actor or the assignee is no longer an admin, or owns the profile.
    """
    for user in {user.pk: user for user in (actor.user, assignee) if user}.values():
        _require_permission(user, review.builder)
    stored = _lock_open(review)
    if stored.assigned_to_id != instead_of:
        raise AlreadyAssignedError
    stored.assigned_to = assignee
    stored.save(update_fields=["assigned_to"])
    changes = {"assigned_to": (instead_of, assignee.pk if assignee else None)}
    _record(AuditLog.Action.REVIEW_ASSIGNED, stored, actor, changes=changes)


@transaction.atomic
def decide(review: ReviewRequest, decision: Decision, *, actor: Actor) -> None:
    """Close a request, and set the tier or award the badge if it is granted.

    Raises:
        AlreadyClosedError: another admin has decided, or the builder has withdrawn the request.
        PermissionDenied: the actor is no longer an admin, or owns the profile.
    """
    _require_permission(actor.user, review.builder)
    profile = lock_profile(review.builder)
    stored = _lock_open(review)
    is_new = False
    if decision.state == State.GRANTED:
        is_new = _grant(stored, profile, decision, actor)
        stored.builder.refresh_from_db(fields=["validation_tier", "checked_items", "checked_projects", "checked_at"])
    changes = {"state": (stored.state, decision.state)}
    stored.state, stored.reason = decision.state, decision.reason
    stored.closed_at, stored.decided_by = timezone.now(), actor.user
    stored.save()
    _record(AuditLog.Action.REVIEW_DECIDED, stored, actor, changes=changes)
    review_decided.send(ReviewRequest, review=stored, is_new=is_new)


def _grant(review: ReviewRequest, profile: BuilderProfile, decision: Decision, actor: Actor) -> bool:
    """Set the tier or award the badge, and return whether the profile did not have it before.

    A tier that was raised further in the meantime, and its evidence, are not changed.
    """
    if review.tier is None:
        return moderation.award(profile, review.badge, decision.badge_evidence, actor=actor, notify=False)
    if profile.validation_tier > review.tier:
        return False
    return moderation.set_tier(
        profile,
        review.tier,
        f"Review request {review.pk}: {decision.reason}"[:500],
        actor=actor,
        checked_items=decision.checked_items,
        checked_projects=decision.checked_projects,
        notify=False,
    )


@transaction.atomic
def open_file(review: ReviewRequest, file_id: int, *, actor: Actor) -> ReviewFile | None:
    """Return a file for an admin, and record that it was opened. Return None if the file does not exist.

    Raises:
        PermissionDenied: the actor is no longer an admin, or owns the profile.
    """
    _require_permission(actor.user, review.builder)
    file = ReviewFile.objects.filter(review=review, pk=file_id).first()
    if file:
        _record(AuditLog.Action.REVIEW_FILE_OPENED, review, actor, file=file.pk)
    return file


@transaction.atomic
def open_own_file(profile: BuilderProfile, review_id: int, file_id: int, *, actor: Actor) -> ReviewFile | None:
    """Return a file of the builder's request, or None if it does not exist. Record it if an admin impersonates the builder."""
    files = ReviewFile.objects.filter(review__builder=profile, review=review_id, pk=file_id)
    file = files.select_related("review__builder__user").first()
    if file and actor.impersonator:
        _record(AuditLog.Action.REVIEW_FILE_OPENED, file.review, actor, file=file.pk)
    return file


def erase_evidence(review_ids: Collection[int]) -> None:
    """Erase the text, links and files of requests. The decisions are kept."""
    ReviewFile.objects.filter(review__in=review_ids).delete()
    ReviewRequest.objects.filter(pk__in=review_ids).update(text="", links=[], evidence_erased_at=timezone.now())


@transaction.atomic
def erase_expired_evidence() -> int:
    """Erase the evidence of requests that were closed more than REVIEW_EVIDENCE_DAYS ago. Return their number.

    Open requests of builders who left that long ago are withdrawn, so that their evidence is also erased.
    """
    before = timezone.now() - timedelta(days=settings.REVIEW_EVIDENCE_DAYS)
    has_left = Q(builder__archived_at__lt=before) | Q(builder__deleted_at__lt=before)
    for review in ReviewRequest.objects.filter(has_left, state=State.OPEN).order_by("pk")[:BATCH]:
        withdraw(review, actor=SYSTEM)
    due = ReviewRequest.objects.filter(closed_at__lt=before, evidence_erased_at=None)
    found = list(due.order_by("closed_at").values_list("pk", flat=True)[:BATCH])
    erase_evidence(found)
    return len(found)


def _require_permission(user: User, profile: BuilderProfile) -> None:
    """Read the user's roles again under a lock, so that a role that is being removed does not count."""
    current = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True).first()
    if current is None or not can_decide_reviews(current, profile):
        raise PermissionDenied("Only admins can review this profile, and not their own.")


def _lock_open(review: ReviewRequest) -> ReviewRequest:
    requests = ReviewRequest.objects.select_related("builder__user").select_for_update(of=["self"], no_key=True)
    stored = requests.filter(pk=review.pk).first()
    if stored is None or stored.state != State.OPEN:
        raise AlreadyClosedError(explain_closed(stored))
    return stored


def explain_closed(review: ReviewRequest | None) -> str:
    """Return why a request cannot be changed."""
    if review is None:
        return gettext("The request has been erased. Nothing was changed.")
    if review.state == State.WITHDRAWN:
        return gettext("The request has been withdrawn. Nothing was changed.")
    return gettext("An admin has already decided. Nothing was changed.")


def _record(action: AuditLog.Action, review: ReviewRequest, actor: Actor, **details: Any) -> None:
    with english():
        requested = review.subject
    log.record(action, actor=actor, target=review, subject=review.builder.user, requested=requested, **details)
