from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class ProfileQuerySet[P: "Profile"](models.QuerySet[P]):
    def not_hidden(self) -> Self:
        """Return profiles that are not hidden by a `HIDDEN_BY_FIELDS` field and whose user is not deleted or banned."""
        return self.filter(**dict.fromkeys(Profile.HIDDEN_BY_FIELDS), user__is_active=True)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Return profiles that `user` can view: their own profiles, or all profiles for admins.

        See `profiles.permissions.access_for`.
        """
        profiles = self.select_related("user")
        if not isinstance(user, User) or not user.is_active:
            return profiles.none()
        return profiles if user.has_role(User.Role.ADMIN) else profiles.filter(user=user, deleted_at=None)


class Profile(models.Model):
    """Base class for builder and client profiles.

    A profile can be hidden for several reasons at once. Each reason has its own field, so clearing one reason does not
    clear the others. Profiles of deleted and banned users are also hidden: see `User.is_active`.
    """

    #: Each of these fields hides the profile from the public while it is set.
    HIDDEN_BY_FIELDS = ("archived_at", "hidden_at", "unpublished_at", "deleted_at")

    #: ID of the section version that undoes the last edit of this instance.
    undo_id: int | None = None

    # PROTECT, because user rows are anonymised but never deleted. A profile and its history always keep their user.
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="%(class)s")
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, help_text="When the user lost the role.")
    hidden_at = models.DateTimeField(
        _("hidden by our team"), null=True, blank=True, help_text="When an admin hid the profile."
    )
    hidden_reason = models.CharField(
        _("reason for hiding"), max_length=500, blank=True, default="", db_default="", help_text="Shown to the owner."
    )
    unpublished_at = models.DateTimeField(
        _("publication"), null=True, blank=True, help_text="When the owner unpublished the profile."
    )
    deleted_at = models.DateTimeField(
        _("deleted"), null=True, blank=True, help_text="When the owner or an admin deleted the profile."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.user.display_name
