"""Signals of the profiles app. They are sent inside the transaction of the change."""

from django.dispatch import Signal

#: An admin decided about a review request. Arguments: review (profiles.models.ReviewRequest), is_new (bool). The review's
#: state, reason, closed_at and decided_by are set, and a granted tier or badge is stored. is_new says whether the profile
#: did not have it before.
review_decided = Signal()
