"""Addresses of lists with filters set."""

from datetime import datetime

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode


def events(*, state: str = "", event_type: str = "", since: datetime | None = None, sort: str = "") -> str:
    """Return the address of the events of a state and type that were received since a moment, in an order of the list."""
    moment = since.isoformat(timespec="seconds") if since else ""
    query = {"state": state, "event_type": event_type, "received_at__gte": moment, "sort": sort}
    return f"{reverse('admin:webhooks_webhookevent_changelist')}?{urlencode({k: v for k, v in query.items() if v})}"


def listed(model: str, **query: str) -> str:
    """Return the address of the list of a model such as `accounts_metadatapush`."""
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(query)}"


def changed_object(target: str) -> str:
    """Return the page of what an audit row is about, such as accounts.user:42; nothing if it has none."""
    model, _colon, pk = target.partition(":")
    try:
        return reverse(f"admin:{model.replace('.', '_')}_change", args=[pk])
    except NoReverseMatch:
        return ""
