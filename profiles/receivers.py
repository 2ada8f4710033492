"""Receivers for signals of the accounts app and of this app."""

from accounts import signals
from accounts.sync.changes import RoleChange, UserSync
from profiles import lifecycle
from profiles.models import ReviewRequest
from profiles.moderation import emails
from profiles.signals import review_decided


def connect() -> None:
    signals.users_synced.connect(follow_syncs, dispatch_uid="profiles.follow_syncs")
    signals.roles_changed.connect(follow_roles, dispatch_uid="profiles.follow_roles")
    review_decided.connect(notify_decision, dispatch_uid="profiles.notify_decision")


def follow_syncs(*, syncs: list[UserSync], **kwargs: object) -> None:
    lifecycle.follow_syncs(syncs)


def follow_roles(*, changes: list[RoleChange], **kwargs: object) -> None:
    lifecycle.follow_roles(changes)


def notify_decision(*, review: ReviewRequest, is_new: bool, **kwargs: object) -> None:
    emails.notify_review(review, is_new=is_new)
