"""Permissions on profiles. This is the only code that compares a user with the owner of a profile."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from core.mail_headers import mailbox
from profiles.models import Profile
from profiles.visibility import hiding_reasons

type Permission = Literal["view", "edit", "publish", "delete", "verify", "contact"]


class Viewer(StrEnum):
    """The role of a user towards one profile."""

    VISITOR = "visitor"
    OWNER = "owner"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """The permissions of one user on one profile.

    Attributes:
        role: admins are the owner, not an admin, of their own profile.
        can_publish: may publish and unpublish the profile. Only the owner may.
        can_verify: may set the tier and badges, feature the profile and hide it.
        can_contact: may send a message to the owner without seeing the owner's email address.
    """

    role: Viewer
    can_view: bool
    can_edit: bool
    can_publish: bool
    can_delete: bool
    can_verify: bool
    can_contact: bool = False

    def allows(self, permission: Permission) -> bool:
        return bool(getattr(self, f"can_{permission}"))


def access_for(user: User | AnonymousUser, profile: Profile) -> ProfileAccess:
    """Return the permissions of `user` on `profile`.

    Only admins can view a deleted profile, or the profile of a user who is banned or deleted in Clerk.
    """
    is_owner = user.is_authenticated and user.pk == profile.user_id
    is_admin = isinstance(user, User) and user.has_role(User.Role.ADMIN)
    is_active_owner = is_owner and user.is_active and profile.deleted_at is None
    return ProfileAccess(
        role=Viewer.OWNER if is_owner else Viewer.ADMIN if is_admin else Viewer.VISITOR,
        can_view=is_active_owner or is_admin or is_public(profile),
        can_edit=is_active_owner or is_admin,
        can_publish=is_active_owner,
        can_delete=is_active_owner or is_admin,
        # Admins cannot verify their own profile.
        can_verify=is_admin and not is_owner,
        can_contact=user.is_authenticated and user.is_active and not is_owner and is_reachable(profile),
    )


def is_public(profile: Profile) -> bool:
    """Return whether the public can view `profile`. Client profiles are never public."""
    return not hiding_reasons(profile)


def is_reachable(profile: Profile) -> bool:
    """Return whether `profile` is public, and its owner has an email address that Clerk verified and mail servers accept."""
    return is_public(profile) and bool(profile.user.email_verified_at and mailbox(profile.user.email))
