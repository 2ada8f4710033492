"""URLs of admin pages and filtered lists."""

from datetime import datetime

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode


def events_url(
    *,
    state: str = "",
    event_type: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    sort: str = "",
) -> str:
    query = {
        "state": state,
        "event_type": event_type,
        "received_at__gte": since.isoformat(timespec="seconds") if since else "",
        "received_at__lt": until.isoformat(timespec="seconds") if until else "",
        "sort": sort,
    }
    return f"{reverse('admin:webhooks_webhookevent_changelist')}?{urlencode({k: v for k, v in query.items() if v})}"


def jobs_url(*states: str, **query: str) -> str:
    """Return the URL of the job list filtered by state."""
    pairs = [*(("state", state) for state in states), *query.items()]
    return f"{reverse('admin:webhooks_job_changelist')}?{urlencode(pairs)}"


def changelist_url(model: str, **query: str) -> str:
    """Return the URL of a filtered list; `model` is a name such as `accounts_metadatapush`."""
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(query)}"


def target_url(target: str) -> str:
    """Return the admin URL of an audit target such as `accounts.user:42`, or "" if it has no page."""
    model, _colon, pk = target.partition(":")
    try:
        return reverse(f"admin:{model.replace('.', '_')}_change", args=[pk])
    except NoReverseMatch:
        return ""
