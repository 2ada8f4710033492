"""What the inbox holds about a person; see core.personal_data."""

from accounts.models import User
from core.personal_data import PersonalData, export_rows
from webhooks.models import Attempt, ReplayFinding, WebhookEvent

#: Svix's, not the person's.
_OF_SVIX = {"source_address", "headers", "secret_fingerprint"}


def export(user: User) -> PersonalData:
    """Return the events about the person, with what Clerk said."""
    if not user.clerk_id:
        return PersonalData({"events": []})
    found = WebhookEvent.objects.filter(clerk_user_id=user.clerk_id).order_by("id")
    return PersonalData({"events": export_rows(found, exclude=_OF_SVIX)})


def erase(user: User) -> None:
    """Empty the payloads of events about the person; an event without one has nothing to apply any more."""
    if user.clerk_id:
        found = WebhookEvent.objects.filter(clerk_user_id=user.clerk_id)
        found.update(payload=None, headers={}, last_error="")
        ReplayFinding.objects.filter(event__in=found).delete()  # they would go within a day
        # Errors quote what could not be stored.
        Attempt.objects.filter(event__clerk_user_id=user.clerk_id).update(error="", traceback="")
