"""Ask Clerk about one person because an operator wants to know, by a worker, so that no request of a browser waits for Clerk."""

from django.utils import timezone
from procrastinate.contrib.django import app as queue

from accounts.clerk.api import ClerkApiError
from accounts.clerk.fields import ClerkPayloadError
from accounts.models import Reconciliation
from accounts.sync import reconciliation

State = Reconciliation.State


def request(clerk_id: str) -> Reconciliation:
    """Have a person compared with Clerk and repaired soon; in a transaction.

    Returns:
        The report, which is under way until then.
    """
    report = Reconciliation.objects.create(kind=Reconciliation.Kind.USER)
    # Named, because the task imports what imports this module.
    queue.configure_task("accounts.tasks.reconcile_user").defer(clerk_id=clerk_id, report_id=report.pk)
    return report


def run(clerk_id: str, report_id: int) -> None:
    """Fill in the report; it also tells that Clerk gave no usable answer."""
    report = Reconciliation.objects.get(pk=report_id)
    if report.state != State.RUNNING:
        return
    try:
        reconciliation.reconcile_user(clerk_id, run=report)
    except (ClerkApiError, ClerkPayloadError) as error:
        report.state, report.error, report.finished_at = State.FAILED, str(error)[:2000], timezone.now()
        report.save()
