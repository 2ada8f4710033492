"""Builder and client profiles. They follow the roles of their user; what is on them belongs to their owner."""

import re
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from profiles.slugs import MAX_LENGTH

#: A letter with the accents and vowel signs that belong to it.
INITIAL = re.compile(r"[^\W\d_][\u0300-\u036f\u0900-\u0903\u093a-\u094f]*")


class ProfileQuerySet[P: "Profile"](models.QuerySet[P]):
    def present(self) -> "ProfileQuerySet[P]":
        """Profiles no reason keeps away: role held, person neither deleted nor banned, nobody took it down."""
        return self.filter(**dict.fromkeys(Profile.REASONS_AWAY), user__is_active=True)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Profiles that `profiles.access.access_for` lets `user` see: one's own, and all of them for admins."""
        found = self.select_related("user")
        if not isinstance(user, User) or not user.is_active:
            return found.none()
        return found if user.has_role(User.Role.ADMIN) else found.filter(user=user, deleted_at=None)


class BuilderProfileQuerySet(ProfileQuerySet["BuilderProfile"]):
    def published(self) -> "BuilderProfileQuerySet":
        """Profiles the public may see. One without a name yet has no address, so it is not among them."""
        return self.present().filter(slug__isnull=False).select_related("user")  # type: ignore[return-value]

    def listed(self) -> "BuilderProfileQuerySet":
        """Published profiles whose owners want to be found in the directory."""
        return self.published().filter(searchable=True)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Published profiles besides: anybody may see those."""
        published = Q(
            slug__isnull=False, user__is_active=True, **{f"{name}__isnull": True for name in Profile.REASONS_AWAY}
        )
        if not isinstance(user, User) or not user.is_active:
            return self.filter(published).select_related("user")
        if user.has_role(User.Role.ADMIN):
            return self.select_related("user")
        return self.filter(published | Q(user=user, deleted_at=None)).select_related("user")


class Profile(models.Model):
    """What both kinds of profile share.

    A profile can be away for several reasons at once. Each has its own field, so that the end of one never undoes
    another. Two more reasons, deleted and banned, are the user's: see `User.is_active`.
    """

    #: Names of the fields that keep a profile away while they are set.
    REASONS_AWAY = ("archived_at", "hidden_at", "unpublished_at", "deleted_at")

    # PROTECT: users are tombstoned, never deleted, and a profile's history must not go with them.
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="%(class)s")
    archived_at = models.DateTimeField(null=True, blank=True, help_text="Since when the role is gone.")
    hidden_at = models.DateTimeField(null=True, blank=True, help_text="Since when an admin keeps it away.")
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


class BuilderProfile(Profile):
    """What a builder shows to clients."""

    class Tier(models.IntegerChoices):
        ENTRY = 1, _("Entry")
        ESTABLISHED = 2, _("Established")
        EXPERT = 3, _("Expert")

    TIER_MEANINGS = {
        Tier.ENTRY: _("New here: identity known, work not yet reviewed."),
        Tier.ESTABLISHED: _("Work reviewed by us, with projects completed."),
        Tier.EXPERT: _("A record of demanding projects, reviewed in depth."),
    }

    slug = models.CharField(max_length=MAX_LENGTH, null=True, blank=True)
    display_name = models.CharField(max_length=120, blank=True, help_text="Shown instead of the name in Clerk.")
    headline = models.CharField(max_length=160, blank=True)
    validation_tier = models.PositiveSmallIntegerField(choices=Tier, default=Tier.ENTRY)
    available_for_hire = models.BooleanField(default=True)
    hourly_rate = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    searchable = models.BooleanField(default=True, help_text="Listed in the directory.")

    objects = BuilderProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="profiles_builder_slug_unique"),
            models.CheckConstraint(condition=Q(validation_tier__in=[1, 2, 3]), name="profiles_builder_tier_known"),
            models.CheckConstraint(condition=Q(hourly_rate__gt=0), name="profiles_builder_rate_positive"),
        ]
        indexes = [
            # The directory, newest first.
            models.Index(
                F("id").desc(),
                name="profiles_builder_listed",
                condition=Q(
                    searchable=True,
                    slug__isnull=False,
                    **{f"{reason}__isnull": True for reason in Profile.REASONS_AWAY},
                ),
            ),
        ]

    def get_absolute_url(self) -> str:
        return reverse("profiles:builder_detail", args=[self.slug])

    @property
    def name(self) -> str:
        return self.display_name or self.user.display_name

    @property
    def image_url(self) -> str:
        """The person's picture at Clerk, or "" if there is none."""
        return self.user.image_url

    @property
    def initials(self) -> str:
        """The first letters of the first and the last name, for people without a picture; "" if it has no letters."""
        letters = [match.group() for word in self.name.split() if (match := INITIAL.search(word))]
        return "".join(letter.title() for letter in letters[:1] + letters[1:][-1:])

    @property
    def validation_tier_meaning(self) -> str:
        return str(self.TIER_MEANINGS[self.Tier(self.validation_tier)])


class ClientProfile(Profile):
    """What a client tells about the company; seen by its owner and by admins only."""

    company_name = models.CharField(max_length=120, blank=True)

    objects = ProfileQuerySet.as_manager()
