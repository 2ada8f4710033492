"""Reports of pages and messages, and admins' decisions about them."""

from datetime import timedelta
from typing import cast

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile, ContactMessage, Report

#: Maximum number of reports per user, and the period that the limit covers.
MAX_REPORTS, LIMIT_PERIOD = 10, timedelta(days=1)


class ReportRejectedError(Exception):
    """The report was rejected. The error text is shown to the reporter."""


class AlreadyDecidedError(Exception):
    """Another admin has already decided about the report."""


@transaction.atomic
def report(target: BuilderProfile | ContactMessage, reporter: User, *, reason: str, text: str) -> Report:
    """Report a page, or a message that the reporter received. Admins can then read the message.

    Raises:
        ReportRejectedError: the reporter's previous report of the same target is still open, or the reporter has sent
            too many reports.
    """
    User.objects.select_for_update(no_key=True).get(pk=reporter.pk)  # serializes the checks per reporter
    name = "message" if isinstance(target, ContactMessage) else "builder"
    sent = Report.objects.filter(reporter=reporter)
    if sent.filter(**{name: target}, state=Report.State.OPEN).exists():
        raise ReportRejectedError(gettext("You have already reported this. We will review it."))
    if sent.filter(reported_at__gt=timezone.now() - LIMIT_PERIOD).count() >= MAX_REPORTS:
        raise ReportRejectedError(gettext("You have sent too many reports today. Try again tomorrow."))
    return Report.objects.create(**{name: target}, reporter=reporter, reason=reason, text=text)


@transaction.atomic
def decide(report: Report, state: Report.State, note: str, *, actor: Actor) -> None:
    """Close a report. The decision does not change the page or the sender; admins do that separately.

    Raises:
        AlreadyDecidedError: the report is no longer open.
    """
    stored = Report.objects.select_for_update().get(pk=report.pk)
    if stored.state != Report.State.OPEN:
        raise AlreadyDecidedError
    changes = {"state": (stored.state, state)}
    stored.state, stored.note = state, note
    stored.decided_at, stored.decided_by = timezone.now(), actor.user
    stored.save()
    log.record(
        AuditLog.Action.REPORT_DECIDED, actor=actor, target=stored, subject=reported_user(stored), changes=changes
    )


def reported_user(report: Report) -> User:
    """Return the owner of the reported page or the sender of the reported message."""
    return report.message.sender if report.message else cast("BuilderProfile", report.builder).user


def reports_about(user: User) -> QuerySet[Report]:
    """Return the reports of the user's page and of messages that the user sent."""
    return Report.objects.filter(Q(builder__user=user) | Q(message__sender=user))


def dismissed_reports_by(reporter: User) -> int:
    """Return how many of the user's reports were dismissed."""
    return Report.objects.filter(reporter=reporter, state=Report.State.DISMISSED).count()
