"""Profile permissions. Only this module compares users with profile owners."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from core.mail_headers import mailbox
from profiles.models import Profile
from profiles.visibility import hiding_reasons

type Permission = Literal[
    "view", "edit", "publish", "delete", "verify", "contact", "save", "report", "request_review", "view_reviews"
]


class Viewer(StrEnum):
    """A user's relationship to a profile."""

    VISITOR = "visitor"
    OWNER = "owner"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ProfileAccess:
    """A user's permissions on a profile.

    Attributes:
        role: the user's relationship to the profile. Admins are the owner of their own profile.
        can_publish: whether the user can publish and unpublish the profile. Only the owner can.
        can_verify: whether the user can set the tier and badges, and feature or hide the profile.
        can_contact: whether the user can send the owner a message, without seeing the owner's email address.
        can_save: whether the user can add the profile to their shortlist.
        can_report: whether the user can report the profile to admins.
        can_request_review: whether the user can ask admins for a higher tier or a badge. Only the owner can.
        can_view_reviews: whether the user can see and withdraw the owner's review requests, also without the role.
    """

    role: Viewer
    can_view: bool
    can_edit: bool
    can_publish: bool
    can_delete: bool
    can_verify: bool
    can_contact: bool = False
    can_save: bool = False
    can_report: bool = False
    can_request_review: bool = False
    can_view_reviews: bool = False

    def allows(self, permission: Permission) -> bool:
        return bool(getattr(self, f"can_{permission}"))


def access_for(user: User | AnonymousUser, profile: Profile) -> ProfileAccess:
    """Return the user's permissions on `profile`.

    Only admins can view a deleted profile, or a profile whose user is banned or deleted in Clerk.
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
        can_request_review=is_active_owner and profile.archived_at is None,
        can_view_reviews=is_active_owner,
        can_save=user.is_authenticated and user.is_active and not is_owner and is_public(profile),
        can_report=user.is_authenticated and user.is_active and not is_owner and is_public(profile),
        can_contact=user.is_authenticated and user.is_active and not is_owner and is_reachable(profile),
    )


def can_decide_reviews(user: User, profile: Profile) -> bool:
    """Return whether the user can decide about the profile's review requests. Local superusers have no profile."""
    return user.is_superuser or access_for(user, profile).can_verify


def is_public(profile: Profile) -> bool:
    """Return whether the public can view `profile`. Client profiles are never public."""
    return not hiding_reasons(profile)


def is_reachable(profile: Profile) -> bool:
    """Return whether `profile` is public and its owner has a valid email address that Clerk has verified."""
    return is_public(profile) and bool(profile.user.email_verified_at and mailbox(profile.user.email))
