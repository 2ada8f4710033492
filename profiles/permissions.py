"""Who may do what with a profile. The only code that compares a user with a profile's owner."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from profiles.models import BuilderProfile, Profile

type Permission = Literal["view", "edit", "publish", "delete", "verify", "contact"]


class Viewer(StrEnum):
    """Who somebody is to a profile."""

    VISITOR = "visitor"
    OWNER = "owner"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """What somebody may do with one profile.

    Attributes:
        role: who they are to it. An admin is the owner of the admin's own profile.
        can_publish: say whether the public sees it, which is its owner's business alone.
        can_verify: set its tier and badges, feature it, hide it.
        can_contact: write a message to its owner, whose address stays unknown.
    """

    role: Viewer
    can_view: bool
    can_edit: bool
    can_publish: bool
    can_delete: bool
    can_verify: bool
    can_contact: bool = False

    def allows(self, permission: Permission) -> bool:
        """Return whether `permission` is granted."""
        return bool(getattr(self, f"can_{permission}"))


def access_for(user: User | AnonymousUser, profile: Profile) -> ProfileAccess:
    """Return what `user`, who may be nobody, may do with `profile`.

    What its owner deleted is there for admins only, and the profile of somebody who is banned or deleted at Clerk, too.
    """
    owner = user.is_authenticated and user.pk == profile.user_id
    admin = isinstance(user, User) and user.has_role(User.Role.ADMIN)
    own = owner and user.is_active and profile.deleted_at is None
    return ProfileAccess(
        role=Viewer.OWNER if owner else Viewer.ADMIN if admin else Viewer.VISITOR,
        can_view=own or admin or is_public(profile),
        can_edit=own or admin,
        can_publish=own,
        can_delete=own or admin,
        # Nobody judges their own work.
        can_verify=admin and not owner,
        can_contact=user.is_authenticated and user.is_active and not owner and is_reachable(profile),
    )


def is_public(profile: Profile) -> bool:
    """Return whether everybody may see `profile`; clients' profiles never are."""
    if not isinstance(profile, BuilderProfile) or not profile.slug or not profile.user.is_active:
        return False
    return all(getattr(profile, reason) is None for reason in Profile.HIDDEN_BY_FIELDS)


def is_reachable(profile: Profile) -> bool:
    """Return whether messages can be sent to the owner of `profile`: it is public, and Clerk has confirmed the address."""
    return is_public(profile) and bool(profile.user.email and profile.user.email_verified_at)
