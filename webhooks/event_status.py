"""Describe an event's state and the next step for operators, in one or two sentences."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webhooks.formatting import level, redacted_error, seconds
from webhooks.models import Alert, WebhookEvent

State, ErrorClass = WebhookEvent.State, WebhookEvent.ErrorClass


@dataclass(frozen=True, slots=True)
class EventStatus:
    """An event's state as a severity level, an icon, a label and a description.

    Attributes:
        runbook: the runbook to follow, or "".
    """

    level: str
    icon: str
    label: str
    description: str
    runbook: str = ""


def status_of(event: WebhookEvent, now: datetime) -> EventStatus:
    label, description = event.get_state_display(), _describe(event, now)
    return EventStatus(level(event.state), event.state, label, description, _runbook_of(event))


def _runbook_of(event: WebhookEvent) -> str:
    if event.state == State.IGNORED and event.instance_id not in ("", settings.CLERK_INSTANCE_ID or event.instance_id):
        return Alert.Rule.OTHER_INSTANCE
    return {State.FAILED: Alert.Rule.FAILURE_RATE, State.DEAD: Alert.Rule.DEAD_EVENTS}.get(State(event.state), "")


def _describe(event: WebhookEvent, now: datetime) -> str:
    match event.state:
        case State.PROCESSED if event.attempts == 1:
            return _("Applied on the first attempt. No action needed.")
        case State.PROCESSED:
            return _("Applied on attempt %d. No action needed.") % event.attempts
        case State.IGNORED:
            return redacted_error(event) or _("Events of this type are not handled, so nothing was changed.")
        case State.STALE:
            return redacted_error(event) or _("Newer data or a deletion was already stored, so nothing was changed.")
        case State.FAILED:
            return f"{_attempts(event)} {_next_attempt(event, now)}"
        case State.DEAD:
            return f"{_attempts(event)} {_remedy(event)}"
    return redacted_error(event)


def _attempts(event: WebhookEvent) -> str:
    return ngettext("Tried once.", "Tried %(count)d times.", event.attempts) % {"count": event.attempts}


def _next_attempt(event: WebhookEvent, now: datetime) -> str:
    if event.next_attempt_at is None or event.next_attempt_at <= now:
        return _("The next attempt is due and starts when a worker is free.")
    return _("The next attempt is in %s.") % seconds((event.next_attempt_at - now).total_seconds())


def _remedy(event: WebhookEvent) -> str:
    """Return why a dead event needs attention, and how to resolve it."""
    match event.error_class:
        case ErrorClass.PERMANENT if event.clerk_user_id:
            return _(
                "Needs attention: the payload is invalid, so a replay will fail again. Fetch the user from Clerk instead."
            )
        case ErrorClass.PERMANENT:
            return _("Needs attention: the payload is invalid, so a replay will fail again.")
        case ErrorClass.CONFIGURATION:
            return _("Needs attention: correct the setting named in the error, then replay the event.")
        case ErrorClass.INTERNAL:
            return _("Needs attention: an internal error occurred. Replay the event after the bug has been fixed.")
    return _("Needs attention: all retries failed. Replay the event after the cause has been fixed.")
