"""Links from an alert to the rows that the alert is about, and to Clerk."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.models import IdentityConflict, MetadataPush
from webhooks.admin import links
from webhooks.jobs.states import STOPPED
from webhooks.models import Alert
from webhooks.models.jobs import JobState
from webhooks.tasks import aggregate_counts


class ListLink(NamedTuple):
    label: StrOrPromise
    url: str


def _pushes(state: str) -> str:
    return links.changelist_url("accounts_metadatapush", state=state)


#: The label and the URL of the list behind each fact of an alert. URLs are built when they are used.
LISTS: dict[str, tuple[StrOrPromise, Callable[[], str]]] = {
    "failed_jobs": (_("Show failed jobs"), partial(links.jobs_url, *STOPPED)),
    "retrying_jobs": (_("Show retrying jobs"), partial(links.jobs_url, JobState.RETRYING, JobState.RUNNING)),
    "stuck_jobs": (_("Show running jobs"), partial(links.jobs_url, JobState.RUNNING)),
    "overdue_jobs": (_("Show overdue jobs"), partial(links.jobs_url, overdue="1")),
    "counted_until": (_("Show the job that counts events"), partial(links.jobs_url, task=aggregate_counts.name)),
    "stopped_pushes": (_("Show stopped pushes"), partial(_pushes, "given_up")),
    "late_pushes": (_("Show pending pushes"), partial(_pushes, MetadataPush.State.PENDING)),
}


#: The endpoint with its URL and signing secret, and its deliveries.
CLERK_DASHBOARD = "https://dashboard.clerk.com/last-active?path=webhooks"
#: Alerts that wrong settings of the endpoint in Clerk can cause.
ENDPOINT_RULES = (Alert.Rule.SILENCE, Alert.Rule.REJECTED, Alert.Rule.DRIFT, Alert.Rule.OTHER_INSTANCE)


def list_links(alert: Alert) -> Iterator[ListLink]:
    """Yield the links of an alert, in the order of LISTS."""
    if alert.rule == Alert.Rule.CONFLICTS:
        url = links.changelist_url("accounts_identityconflict", state__exact=IdentityConflict.State.OPEN)
        yield ListLink(_("Show open conflicts"), url)
    for fact, (label, build_url) in LISTS.items():
        if alert.facts.get(fact):
            yield ListLink(label, build_url())
    if alert.rule in ENDPOINT_RULES:
        yield ListLink(_("Open Clerk’s dashboard"), CLERK_DASHBOARD)
