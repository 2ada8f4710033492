"""Export and erase the personal data in the inbox; see core.personal_data."""

from accounts.models import User
from core.personal_data import PersonalData, export_rows
from webhooks.models import Attempt, ReplayFinding, WebhookEvent

#: Data about Svix as the sender, not about the user.
_SENDER_FIELDS = {"source_address", "headers", "secret_fingerprint"}

#: Models that this module exports and erases.
COVERED = (WebhookEvent, Attempt, ReplayFinding)


def export(user: User) -> PersonalData:
    """Return the events about the user, with their payloads."""
    if not user.clerk_id:
        return PersonalData({"events": []})
    found = WebhookEvent.objects.filter(clerk_user_id=user.clerk_id).order_by("id")
    return PersonalData({"events": export_rows(found, exclude=_SENDER_FIELDS)})


def erase(user: User) -> None:
    """Empty the payloads of events about the user. Events without a payload can no longer be applied."""
    if user.clerk_id:
        found = WebhookEvent.objects.filter(clerk_user_id=user.clerk_id)
        found.update(payload=None, headers={}, last_error="")
        ReplayFinding.objects.filter(event__in=found).delete()  # would otherwise be kept for up to a day
        # Errors may quote personal data that could not be stored.
        Attempt.objects.filter(event__clerk_user_id=user.clerk_id).update(error="", traceback="")
