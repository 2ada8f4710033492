"""Receivers for the accounts app's signals."""

from accounts import signals
from accounts.sync.changes import RoleChange, UserSync
from profiles import lifecycle


def connect() -> None:
    signals.users_synced.connect(follow_syncs, dispatch_uid="profiles.follow_syncs")
    signals.roles_changed.connect(follow_roles, dispatch_uid="profiles.follow_roles")


def follow_syncs(*, syncs: list[UserSync], **kwargs: object) -> None:
    lifecycle.follow_syncs(syncs)


def follow_roles(*, changes: list[RoleChange], **kwargs: object) -> None:
    lifecycle.follow_roles(changes)
