"""The kinds of emails about profiles."""

from profiles.contact.emails import MESSAGE_RECEIVED

KINDS = (MESSAGE_RECEIVED,)
