"""Receivers for the accounts app's signals."""

from typing import Any

from accounts import signals
from accounts.models import User
from audit.log import Actor
from profiles import lifecycle


def connect() -> None:
    signals.user_synced.connect(follow_sync, dispatch_uid="profiles.follow_sync")
    signals.user_roles_changed.connect(follow_roles, dispatch_uid="profiles.follow_roles")


def follow_sync(
    *, user: User, changes: dict[str, tuple[Any, Any]], created: bool, actor: Actor, **kwargs: object
) -> None:
    if created:
        return
    if lifecycle.gained_name(user, changes):
        lifecycle.assign_slug(user, actor=actor)
    if not lifecycle.INDEXED_USER_FIELDS.isdisjoint(changes):
        lifecycle.refresh_index(user)


def follow_roles(*, user: User, added: list[str], removed: list[str], actor: Actor, **kwargs: object) -> None:
    lifecycle.follow_roles(user, added, removed, actor=actor)
