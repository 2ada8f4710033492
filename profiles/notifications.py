"""The kinds of emails about profiles."""

from profiles.contact.emails import MESSAGE_RECEIVED
from profiles.moderation import emails as moderation

KINDS = (MESSAGE_RECEIVED, *moderation.KINDS)
