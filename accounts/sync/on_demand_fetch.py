"""Compare one user with Clerk for an operator. A worker sends the request, so that pages do not wait for Clerk."""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.clerk.api import ClerkApiError
from accounts.clerk.fields import ClerkPayloadError
from accounts.models import Reconciliation
from accounts.sync import reconciliation
from core.jobs import Person, describe

State = Reconciliation.State


def request(clerk_id: str) -> Reconciliation:
    """Queue a job to compare and repair one user. Call this in a transaction.

    Returns:
        The report, whose state is "running" until the worker has finished.
    """
    report = Reconciliation.objects.create(kind=Reconciliation.Kind.USER)
    reconcile_user.defer(clerk_id=clerk_id, report_id=report.pk)
    return report


@queue.task(retry=RetryStrategy(max_attempts=3, exponential_wait=4))
@describe(
    _("Compare one user with Clerk"),
    _("Compares and repairs one person at an operator's request."),
    person=Person("clerk_id", "accounts.User", "clerk_id", "clerk_id"),
)
def reconcile_user(clerk_id: str, report_id: int) -> None:
    """Run the comparison and complete the report. Errors from Clerk are stored in the report."""
    report = Reconciliation.objects.get(pk=report_id)
    if report.state != State.RUNNING:
        return
    try:
        reconciliation.reconcile_user(clerk_id, run=report)
    except (ClerkApiError, ClerkPayloadError) as error:
        report.state, report.error, report.finished_at = State.FAILED, str(error)[:2000], timezone.now()
        report.save()
