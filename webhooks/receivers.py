"""Receivers for signals of the accounts app."""

from accounts import signals
from webhooks import personal_data


def connect() -> None:
    signals.leads_erased.connect(erase_lead_events, dispatch_uid="webhooks.erase_lead_events")


def erase_lead_events(*, lead_ids: list[str], **kwargs: object) -> None:
    personal_data.erase_leads(lead_ids)
