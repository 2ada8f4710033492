"""Signals of the profiles app. They are sent inside the transaction of the change."""

from django.dispatch import Signal

#: An admin decided about a review request. Argument: review (profiles.models.ReviewRequest). Its state, reason, closed_at
#: and decided_by are set, and a granted tier or badge is stored.
review_decided = Signal()
