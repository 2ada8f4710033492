"""What both kinds of profile share."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models

from accounts.models import User


class ProfileQuerySet[P: "Profile"](models.QuerySet[P]):
    def present(self) -> "ProfileQuerySet[P]":
        """Profiles no reason keeps away: role held, person neither deleted nor banned, nobody took it down."""
        return self.filter(**dict.fromkeys(Profile.HIDDEN_BY_FIELDS), user__is_active=True)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Profiles that `profiles.permissions.access_for` lets `user` see: one's own, and all of them for admins."""
        found = self.select_related("user")
        if not isinstance(user, User) or not user.is_active:
            return found.none()
        return found if user.has_role(User.Role.ADMIN) else found.filter(user=user, deleted_at=None)


class Profile(models.Model):
    """What both kinds of profile share.

    A profile can be away for several reasons at once. Each has its own field, so that the end of one never undoes
    another. Two more reasons, deleted and banned, are the user's: see `User.is_active`.
    """

    #: Names of the fields that keep a profile away while they are set.
    HIDDEN_BY_FIELDS = ("archived_at", "hidden_at", "unpublished_at", "deleted_at")

    # PROTECT: users are tombstoned, never deleted, and a profile's history must not go with them.
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="%(class)s")
    archived_at = models.DateTimeField(null=True, blank=True, help_text="Since when the role is gone.")
    hidden_at = models.DateTimeField(null=True, blank=True, help_text="Since when an admin keeps it away.")
    hidden_reason = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Why; its owner reads this."
    )
    unpublished_at = models.DateTimeField(null=True, blank=True, help_text="Since when its owner keeps it away.")
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="When its owner deleted it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name to show on the profile."""
        return self.user.display_name
