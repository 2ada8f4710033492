"""Comparisons with Clerk that admins request. They run in a worker, so that pages do not wait for Clerk."""

import logging

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app as queue

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.clerk.fields import ClerkPayloadError
from accounts.models import Reconciliation, User
from accounts.sync import reconciliation
from audit import log as audit_log
from audit.log import Actor
from audit.models import AuditLog
from core.jobs import describe

log = logging.getLogger(__name__)

Kind, State = Reconciliation.Kind, Reconciliation.State
#: Retry interval and maximum attempts for a full run that has to wait for another run.
RETRY_S, MAX_ATTEMPTS = 20, 30


class NothingToRunError(Exception):
    """The report is not a finished dry run that an admin requested."""


@transaction.atomic
def start(
    wanted: str, *, dry_run: bool, reason: str, actor: Actor, dry_run_report: Reconciliation | None = None
) -> Reconciliation:
    """Queue a comparison and return its report. The report's state is "running" until the worker finishes.

    Args:
        wanted: a Clerk ID, an email address, or "" for all users.
    """
    report = Reconciliation.objects.create(
        kind=Kind.USER if wanted else Kind.FULL,
        dry_run=dry_run,
        requested_by=actor.user,
        reason=reason,
        wanted=wanted,
        dry_run_report=dry_run_report,
    )
    audit_log.record(
        AuditLog.Action.RECONCILIATION_STARTED,
        actor=actor,
        target=report,
        subject=User.objects.filter(clerk_id=wanted).first() if wanted else None,
        dry_run=dry_run,
        note=reason,
    )
    compare.defer(report_id=report.pk)
    return report


@transaction.atomic
def repeat_for_real(report: Reconciliation, *, actor: Actor) -> Reconciliation:
    """Queue a real run of a dry run's comparison, with the same reason.

    If a real run already exists and has not failed, return that run instead.

    Raises:
        NothingToRunError: the report is not a finished dry run that an admin requested.
    """
    report = Reconciliation.objects.select_for_update(of=("self",)).get(pk=report.pk)
    if not can_be_repeated(report):
        raise NothingToRunError
    earlier = Reconciliation.objects.filter(dry_run_report=report).exclude(state=State.FAILED).first()
    return earlier or start(report.wanted, dry_run=False, reason=report.reason, actor=actor, dry_run_report=report)


def can_be_repeated(report: Reconciliation) -> bool:
    is_known = report.kind == Kind.FULL or bool(report.wanted)
    return report.dry_run and report.state == State.FINISHED and bool(report.reason) and is_known


@queue.task(queue="upkeep")
@describe(
    _("Compare with Clerk on request"),
    _("Compares one person or all users with Clerk at an operator's request. The result is in its report."),
)
def compare(report_id: int, attempt: int = 1) -> None:
    """Run a requested comparison. Errors from Clerk are stored in the report."""
    report = Reconciliation.objects.get(pk=report_id)
    if report.state != State.RUNNING:
        return
    try:
        if report.kind == Kind.FULL:
            reconciliation.reconcile(full=True, dry_run=report.dry_run, run=report)
        else:
            _compare_person(report)
    except reconciliation.AlreadyRunningError as error:
        if attempt >= MAX_ATTEMPTS:
            _fail(report, str(error))
        else:
            compare.configure(schedule_in={"seconds": RETRY_S}).defer(report_id=report_id, attempt=attempt + 1)
    except (ClerkApiError, ClerkPayloadError) as error:
        _fail(report, str(error))
    except Exception as error:
        _fail(report, f"The comparison failed: {type(error).__name__}. The log contains the traceback.")
        raise


def _compare_person(report: Reconciliation) -> None:
    wanted = report.wanted
    if "@" in wanted:
        report.wanted = ""  # email addresses are stored only while needed
    clerk_ids = _find(wanted) if "@" in wanted else [wanted]
    if not clerk_ids:
        _fail(report, "Neither Clerk nor this site has a user with this email address. Check the spelling.")
        return
    for clerk_id in clerk_ids:
        report.wanted = clerk_id
        reconciliation.reconcile_user(clerk_id, dry_run=report.dry_run, run=report)


def _find(email: str) -> list[str]:
    """Return the Clerk IDs of users with this email address, in Clerk or in the local database."""
    here = User.objects.live().filter(email__iexact=email, clerk_id__isnull=False)
    clerk_ids = [str(clerk_id) for clerk_id in here.values_list("clerk_id", flat=True)]
    return list(dict.fromkeys([*api.find_user_ids(email), *clerk_ids]))


def _fail(report: Reconciliation, reason: str) -> None:
    report.state, report.error, report.finished_at = State.FAILED, reason[:2000], timezone.now()
    if "@" in report.wanted:
        report.wanted = ""
    report.save()
    log.warning("A requested comparison with Clerk failed: %s", reason)
