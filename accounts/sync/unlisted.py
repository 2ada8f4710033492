"""Delete users who are missing from Clerk's list, after Clerk has confirmed each of them.

If suspiciously many are missing, none is deleted: the list may be incomplete, or CLERK_SECRET_KEY may belong to another
instance. An admin who has checked the report can approve its deletions.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.clerk import instance_guard
from accounts.clerk.api import ClerkApiError
from accounts.models import Reconciliation, User
from accounts.sync import repairs
from audit import log
from audit.log import Actor
from audit.models import AuditLog

DifferenceKind = Reconciliation.DifferenceKind
#: Deletions are skipped if there are more than this and more than 5 % of all users, because the secret key may belong
#: to another instance.
MAX_DELETIONS = 10
#: More deletions than this are always skipped, because Clerk is asked for each of them.
MAX_CHECKS = 1000
#: An interrupted deletion repeats at most this many requests.
SAVE_EVERY = 20
#: A report can be approved for this long.
APPROVE_WITHIN = timedelta(days=7)


class ApprovalError(Exception):
    """The deletions cannot be approved. The message is shown to the admin."""


def delete_unlisted(run: Reconciliation) -> None:
    """Delete unlisted users that Clerk confirms no longer exist. If there are suspiciously many, delete none."""
    unlisted_ids = {*run.unlisted_ids, *_users_without_sign_up_time(run)}
    unlisted_ids -= {example["clerk_id"] for example in run.examples if example["kind"] == DifferenceKind.UNREADABLE}
    if len(unlisted_ids) > min(run.compared, max(MAX_DELETIONS, run.compared // 20), MAX_CHECKS):
        run.unlisted_ids = sorted(unlisted_ids)
        run.skipped_deletions = len(unlisted_ids)
        for clerk_id in run.unlisted_ids:
            run.add_example({"clerk_id": clerk_id, "kind": "skipped_deletions", "fields": []})
        return
    for clerk_id in sorted(unlisted_ids):
        repairs.check_user(run, clerk_id)


def _users_without_sign_up_time(run: Reconciliation) -> Iterable[str]:
    """Return users whose sign-up time is unknown, so that they are outside every page's range.

    Repairing listed users sets their sign-up time, so the remaining users are not in the list. In a dry run, they might
    be.
    """
    if run.dry_run:
        return ()
    found = User.objects.live().filter(clerk_id__isnull=False, clerk_created_at=None)
    return (str(clerk_id) for clerk_id in found.values_list("clerk_id", flat=True))


@transaction.atomic
def approve(run: Reconciliation, *, count: int, reason: str, actor: Actor) -> Reconciliation:
    """Record that an admin approves the skipped deletions of a run, and return the run.

    Nothing is deleted yet. The caller runs `delete_approved`, or queues it.

    Args:
        count: the number of deletions that the admin has seen in the report.

    Raises:
        ApprovalError: the report has other deletions, has been approved, or is too old.
    """
    locked = Reconciliation.objects.select_for_update().get(pk=run.pk)
    _refuse_unless_approvable(locked, count, reason)
    locked.deletions_approved_at, locked.deletions_approved_by = timezone.now(), actor.user
    locked.approval_reason = reason.strip()
    locked.save(update_fields=["deletions_approved_at", "deletions_approved_by", "approval_reason"])
    facts = {"deletions": count, "reason": locked.approval_reason, "clerk_ids": locked.unlisted_ids[:MAX_CHECKS]}
    log.record(AuditLog.Action.DELETIONS_APPROVED, actor=actor, target=locked, **facts)
    return locked


def can_be_approved(run: Reconciliation) -> bool:
    is_recent = run.started_at > timezone.now() - APPROVE_WITHIN
    is_complete = run.state == Reconciliation.State.FINISHED and not run.dry_run
    return bool(is_recent and is_complete and run.skipped_deletions and not run.deletions_approved_at)


def _refuse_unless_approvable(run: Reconciliation, count: int, reason: str) -> None:
    if run.deletions_approved_at:
        raise ApprovalError(_("The deletions in this report have already been approved."))
    if not run.skipped_deletions:
        raise ApprovalError(_("This report has no skipped deletions to approve."))
    if not can_be_approved(run):
        raise ApprovalError(
            _("This report is a dry run, is not finished, or is older than a week. Start a new full run.")
        )
    if count != run.skipped_deletions:
        raise ApprovalError(
            ngettext(
                "This report has %d skipped deletion. Enter this number to approve it.",
                "This report has %d skipped deletions. Enter this number to approve them.",
                run.skipped_deletions,
            )
            % run.skipped_deletions
        )
    if not reason.strip():
        raise ApprovalError(_("Enter a reason for the approval."))


def delete_approved(run: Reconciliation) -> None:
    """Delete the approved users that Clerk confirms no longer exist. An interrupted call can be repeated.

    Raises:
        ClerkApiError: Clerk returned no usable response, or CLERK_SECRET_KEY belongs to another instance.
        ApprovalError: the deletions have not been approved.
    """
    if not run.deletions_approved_at:
        raise ApprovalError(_("The deletions in this report have not been approved."))
    instance_guard.verify_secret_key()
    actor = Actor(AuditLog.Source.RECONCILIATION, user=run.deletions_approved_by)
    for clerk_id in list(run.unlisted_ids):
        try:
            repairs.check_user(run, clerk_id, actor)
        except ClerkApiError:
            run.save()
            raise
        run.unlisted_ids.remove(clerk_id)
        run.skipped_deletions = len(run.unlisted_ids)
        if run.skipped_deletions % SAVE_EVERY == 0:
            run.save()
