"""The Repairs page, which links to every repair in the admin."""

from typing import NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from webhooks.admin.events.filters import UNSETTLED
from webhooks.admin.pages import may_view_events, operators_page

EVENTS = reverse_lazy("admin:webhooks_webhookevent_changelist")
JOBS = reverse_lazy("admin:webhooks_job_changelist")
PUSHES = reverse_lazy("admin:accounts_metadatapush_changelist")


class Repair(NamedTuple):
    """A link to a repair, with the problem it solves and a description."""

    trouble: str | Promise
    action: str | Promise
    url: str | Promise
    query: str = ""


GROUPS: list[tuple[str | Promise, list[Repair]]] = [
    (
        gettext_lazy("People"),
        [
            Repair(
                gettext_lazy("A person is missing or out of date here"),
                gettext_lazy("Fetch the person from Clerk by ID or email, and repair the differences."),
                reverse_lazy("admin:accounts_reconciliation_compare"),
            ),
            Repair(
                gettext_lazy("Many people may differ from Clerk"),
                gettext_lazy("Compare all users with Clerk, with a dry run first."),
                reverse_lazy("admin:accounts_reconciliation_compare"),
                "?scope=all",
            ),
            Repair(
                gettext_lazy("One person has two accounts"),
                gettext_lazy("Join the accounts. Joining can be undone."),
                reverse_lazy("admin:accounts_identityconflict_join"),
            ),
        ],
    ),
    (
        gettext_lazy("Events and deliveries"),
        [
            Repair(
                gettext_lazy("Events failed or are dead"),
                gettext_lazy("Filter the events, and replay all of them as a dry run first."),
                EVENTS,
                f"?state={UNSETTLED}",
            ),
            Repair(
                gettext_lazy("Deliveries never arrived"),
                gettext_lazy("Ask Svix to resend the deliveries that failed after a given time."),
                reverse_lazy("webhooks:recovery"),
            ),
            Repair(
                gettext_lazy("You are not sure whether deliveries get through the proxy"),
                gettext_lazy("Send a signed test delivery through the public address."),
                reverse_lazy("webhooks:test_delivery"),
            ),
            Repair(
                gettext_lazy("The webhook secret leaked, or must change"),
                gettext_lazy("Rotate the secret step by step, and see which secret still receives deliveries."),
                reverse_lazy("webhooks:secrets"),
            ),
        ],
    ),
    (
        gettext_lazy("Work and records"),
        [
            Repair(
                gettext_lazy("Background jobs fail"),
                gettext_lazy("Retry or discard failed jobs."),
                JOBS,
                "?state=failed&state=given_up&state=retrying",
            ),
            Repair(
                gettext_lazy("Pushes to Clerk were given up"),
                gettext_lazy("Retry the pushes after the cause is removed."),
                PUSHES,
                "?state=given_up",
            ),
            Repair(
                gettext_lazy("The audit log may have been changed"),
                gettext_lazy("Verify every row against the seals now."),
                reverse_lazy("admin:audit_auditverification_changelist"),
            ),
            Repair(
                gettext_lazy("A connection or setting may be wrong"),
                gettext_lazy("Run every check of this deployment now."),
                reverse_lazy("webhooks:diagnostics"),
            ),
            Repair(
                gettext_lazy("You are about to do maintenance"),
                gettext_lazy("Schedule a maintenance window, so that alerts open without notifications."),
                reverse_lazy("admin:webhooks_maintenance"),
            ),
        ],
    ),
]

COMPARE = (gettext_lazy("Compare all users with Clerk"), reverse_lazy("admin:accounts_reconciliation_compare"))
DIAGNOSE = (gettext_lazy("Run the checks"), reverse_lazy("webhooks:diagnostics"))
RECOVER = (gettext_lazy("Recover missed deliveries"), reverse_lazy("webhooks:recovery"))
TEST = (gettext_lazy("Send a test delivery"), reverse_lazy("webhooks:test_delivery"))
VERIFY = (gettext_lazy("Verify the audit log"), reverse_lazy("admin:audit_auditverification_changelist"))
REJECTED = (gettext_lazy("Show rejected requests"), reverse_lazy("webhooks:rejections"))
#: Repair pages by the name of the alert rule and runbook.
BY_RUNBOOK: dict[str, list[tuple[str | Promise, str | Promise]]] = {
    "audit_chain_broken": [VERIFY],
    "background_jobs": [DIAGNOSE],
    "clerk_outage": [DIAGNOSE],
    "clock": [DIAGNOSE],
    "dead_events": [COMPARE],
    "diagnostics": [DIAGNOSE],
    "disk_space": [DIAGNOSE],
    "drift": [COMPARE, RECOVER],
    "failure_rate": [COMPARE],
    "pending_pushes": [DIAGNOSE],
    "rejected_requests": [
        REJECTED,
        (gettext_lazy("Rotate the webhook secret"), reverse_lazy("webhooks:secrets")),
        RECOVER,
    ],
    "silence": [TEST, RECOVER, COMPARE],
    "unavailable_requests": [REJECTED, RECOVER, DIAGNOSE],
    "unreachable": [TEST, DIAGNOSE],
    "worker_gone": [DIAGNOSE],
}


@operators_page
@require_safe
def repairs(request: HttpRequest) -> HttpResponse:
    if not may_view_events(request):
        raise PermissionDenied
    context = {"title": _("Repairs"), "groups": GROUPS}
    return render(request, "admin/webhooks/repairs.html", admin.site.each_context(request) | context)
