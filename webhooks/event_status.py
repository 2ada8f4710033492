"""What became of an event and what happens next, in one or two sentences, for whoever looks at it."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webhooks.models import WebhookEvent
from webhooks.templatetags.operators import level, redacted_error, seconds

State, ErrorClass = WebhookEvent.State, WebhookEvent.ErrorClass


@dataclass(frozen=True, slots=True)
class Outlook:
    """An event's state, by colour, icon and words."""

    tone: str
    icon: str
    word: str
    sentence: str


def tell(event: WebhookEvent, now: datetime) -> Outlook:
    """Return how an event is, and what happens next."""
    return Outlook(level(event.state), event.state, event.get_state_display(), _sentence(event, now))


def _sentence(event: WebhookEvent, now: datetime) -> str:
    match event.state:
        case State.PROCESSED if event.attempts == 1:
            return _("It had its effect at the first attempt. Nothing is left to do.")
        case State.PROCESSED:
            return _("It had its effect at attempt %d. Nothing is left to do.") % event.attempts
        case State.IGNORED:
            return redacted_error(event) or _("Nothing here acts upon events of this type, so it changed nothing.")
        case State.STALE:
            return redacted_error(event) or _("Newer facts, or a deletion, were known already, so it changed nothing.")
        case State.FAILED:
            return f"{_tried(event)} {_next(event, now)}"
        case State.DEAD:
            return f"{_tried(event)} {_help(event)}"
    return redacted_error(event)


def _tried(event: WebhookEvent) -> str:
    return ngettext("Tried once.", "Tried %(count)d times.", event.attempts) % {"count": event.attempts}


def _next(event: WebhookEvent, now: datetime) -> str:
    if event.next_attempt_at is None or event.next_attempt_at <= now:
        return _("The next attempt is due, and begins as soon as a worker is free.")
    return _("The next attempt is in %s.") % seconds((event.next_attempt_at - now).total_seconds())


def _help(event: WebhookEvent) -> str:
    """Return why only a person can help, and what can be done."""
    match event.error_class:
        case ErrorClass.PERMANENT if event.clerk_user_id:
            return _(
                "Only a person can help: the event itself is wrong, and a replay cannot cure that. "
                "Fetching its person from Clerk can."
            )
        case ErrorClass.PERMANENT:
            return _("Only a person can help: the event itself is wrong, and a replay cannot cure that.")
        case ErrorClass.CONFIGURATION:
            return _("Only a person can help: put the setting right that the error names, then replay it.")
        case ErrorClass.INTERNAL:
            return _("Only a person can help: it met a fault of ours. Once that is mended, replay it.")
    return _(
        "Only a person can help: it failed for a day, and no attempt is planned. Replay it once the cause is gone."
    )
