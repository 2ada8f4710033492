"""Data that the accounts app's signals report about each user."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from audit.log import Actor

#: The old and new value of each changed field.
type Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class UserSync:
    """Synced fields of an active user were written.

    Attributes:
        roles_before: the effective roles before the payload was applied.
    """

    user: User
    changes: Changes
    created: bool
    actor: Actor
    roles_before: Sequence[str]


@dataclass(frozen=True, slots=True)
class RoleChange:
    """The effective roles of an active user changed."""

    user: User
    added: list[str]
    removed: list[str]
    actor: Actor
