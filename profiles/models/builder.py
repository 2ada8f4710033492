from typing import Self

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import User
from core.text import first_letter
from profiles.models.base import Profile, ProfileQuerySet
from profiles.models.choices import Availability, CheckedItem, Currency, Domain
from profiles.slugs.text import MAX_LENGTH

#: Number of skills shown on the page. Users can search for all skills.
SKILLS_SHOWN = 7
MAX_SKILLS = 20
MAX_EXPERTISE = 10
MAX_LINKS = 8

#: The `BuilderProfileQuerySet.listed` conditions that use only profile columns, for partial indexes.
_DIRECTORY = Q(searchable=True) & ~Q(headline="")
LISTED = _DIRECTORY & Q(slug__isnull=False, **{f"{name}__isnull": True for name in Profile.HIDDEN_BY_FIELDS})


class BuilderProfileQuerySet(ProfileQuerySet["BuilderProfile"]):
    def published(self) -> Self:
        """Return profiles that the public can view.

        A profile without a slug is not published, because its user has no name yet.
        """
        return self.not_hidden().filter(slug__isnull=False).select_related("user")

    def listed(self) -> Self:
        """Return published profiles that have a headline and are not excluded from the directory."""
        return self.published().filter(_DIRECTORY)

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Return profiles that `user` can view: published profiles and their own, or all profiles for admins."""
        published = Q(
            slug__isnull=False, user__is_active=True, **{f"{name}__isnull": True for name in Profile.HIDDEN_BY_FIELDS}
        )
        if not isinstance(user, User) or not user.is_active:
            return self.filter(published).select_related("user")
        if user.has_role(User.Role.ADMIN):
            return self.select_related("user")
        return self.filter(published | Q(user=user, deleted_at=None)).select_related("user")

    def enumerable_by(self, user: User | AnonymousUser) -> Self:
        """Return profiles that `user` can look up by id: listed profiles, and profiles that they can edit.

        Ids are sequential, so looking up unlisted profiles by id would reveal all of them.
        """
        found = self.visible_to(user)
        if not isinstance(user, User) or not user.is_active:
            return found.filter(_DIRECTORY)
        return found if user.has_role(User.Role.ADMIN) else found.filter(_DIRECTORY | Q(user=user))


class _DeferSearchManager(models.Manager["BuilderProfile"]):
    def get_queryset(self) -> "models.QuerySet[BuilderProfile]":
        """Defer the search vector, which is large and only read by PostgreSQL."""
        return super().get_queryset().defer("search")


BuilderProfileManager = _DeferSearchManager.from_queryset(BuilderProfileQuerySet)


class BuilderProfile(Profile):
    class Tier(models.IntegerChoices):
        ENTRY = 1, _("New here")
        ESTABLISHED = 2, _("Established")
        EXPERT = 3, _("Expert")

    TIER_MEANINGS = {
        Tier.ENTRY: _("Not reviewed yet."),
        Tier.ESTABLISHED: _("Our team has reviewed completed projects."),
        Tier.EXPERT: _("Proven on demanding projects, and reviewed in depth."),
    }

    slug = models.CharField(_("page URL"), max_length=MAX_LENGTH, null=True, blank=True)
    display_name = models.CharField(
        _("display name"), max_length=120, blank=True, help_text="Replaces the name from Clerk."
    )
    headline = models.CharField(_("headline"), max_length=160, blank=True)
    tagline = models.CharField(
        _("tagline"),
        max_length=160,
        blank=True,
        default="",
        db_default="",
        help_text="One line in the builder's own voice, below the headline.",
    )
    image = models.ImageField(
        _("portrait"),
        upload_to="portraits/",
        blank=True,
        default="",
        db_default="",
        help_text="Replaces the image from Clerk.",
    )
    bio = models.TextField(
        _("about you"), blank=True, default="", db_default="", help_text="Markdown; see core.markdown."
    )
    page_language = models.CharField(
        _("language of the page"),
        max_length=8,
        blank=True,
        default="",
        db_default="",
        help_text="The ISO 639 code of the language in which the builder writes.",
    )
    languages = ArrayField(
        verbose_name=_("languages"),
        base_field=models.CharField(max_length=24),
        default=list,
        db_default=[],
        blank=True,
        help_text="ISO 639 codes of spoken languages, with or without a level: pl:native, en:fluent, de.",
    )
    years_experience = models.PositiveSmallIntegerField(
        _("years of experience"), null=True, blank=True, help_text="Years of experience in building apps."
    )
    location = models.CharField(_("location"), max_length=120, blank=True, default="", db_default="")
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, default="", db_default="", help_text="IANA time zone name."
    )

    domains = ArrayField(
        verbose_name=_("domains"),
        base_field=models.CharField(max_length=16, choices=Domain),
        default=list,
        db_default=[],
        blank=True,
    )
    skills = ArrayField(
        verbose_name=_("skills"),
        base_field=models.CharField(max_length=40),
        default=list,
        db_default=[],
        blank=True,
        help_text="Most important first.",
    )
    expertise = ArrayField(
        verbose_name=_("areas of expertise"),
        base_field=models.CharField(max_length=80),
        default=list,
        db_default=[],
        blank=True,
    )
    links = ArrayField(
        verbose_name=_("links"), base_field=models.URLField(max_length=300), default=list, db_default=[], blank=True
    )

    # Tier, availability and rate.
    validation_tier = models.PositiveSmallIntegerField(_("tier"), choices=Tier, default=Tier.ENTRY)
    available_for_hire = models.BooleanField(_("available for hire"), default=True)
    hourly_rate = models.DecimalField(_("hourly rate"), max_digits=8, decimal_places=2, null=True, blank=True)
    currency = models.CharField(
        _("currency"), max_length=3, choices=Currency, default=Currency.USD, db_default=Currency.USD
    )
    availability = models.CharField(
        _("availability"),
        max_length=16,
        choices=Availability,
        default=Availability.NOT_STATED,
        db_default=Availability.NOT_STATED,
    )
    availability_confirmed_at = models.DateTimeField(
        _("availability confirmed"), null=True, blank=True, help_text="When the owner last confirmed the availability."
    )
    available_from = models.DateField(
        _("start date"), null=True, blank=True, help_text="The earliest day on which the builder can start."
    )
    days_per_week = models.PositiveSmallIntegerField(
        _("days a week"), null=True, blank=True, help_text="Days a week for one client, 1 to 7."
    )
    min_project = models.PositiveIntegerField(
        _("smallest project"), null=True, blank=True, help_text="The smallest project's budget in `currency`."
    )
    adhd_friendly = models.BooleanField(
        _("ADHD-friendly focus"), default=False, db_default=False, help_text="Works in ways that suit people with ADHD."
    )

    # Only admins can change these fields, never the profile's owner.
    validation_evidence = models.CharField(
        _("evidence for the tier"),
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Evidence for the tier. Not public.",
    )
    validated_at = models.DateTimeField(_("tier set"), null=True, blank=True)
    checked_items = ArrayField(
        verbose_name=_("checked items"),
        base_field=models.CharField(max_length=16, choices=CheckedItem),
        default=list,
        db_default=[],
        blank=True,
        help_text="What an admin checked. Shown on the page.",
    )
    checked_projects = models.PositiveIntegerField(
        _("checked projects"),
        default=0,
        db_default=0,
        help_text="How many completed projects an admin checked. Shown on the page.",
    )
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True, help_text="When an admin checked the items.")
    featured_at = models.DateTimeField(
        _("featured"),
        null=True,
        blank=True,
        help_text="When an admin featured the profile. Featured profiles come first in the directory.",
    )
    completed_projects = models.PositiveIntegerField(_("completed projects"), default=0, db_default=0)

    searchable = models.BooleanField(_("directory listing"), default=True, help_text="Listed in the directory.")

    # Search columns. Only profiles.directory.indexing.index writes them.
    search = SearchVectorField(null=True, editable=False)
    # With the C collation, one index can find all names with a given prefix.
    name_key = models.CharField(
        max_length=120,
        default="",
        db_default="",
        db_collation="C",
        editable=False,
        help_text="The name without case, accents and spaces.",
    )
    score = models.IntegerField(
        default=0, db_default=0, editable=False, help_text="Higher scores come first in the directory."
    )
    rate_usd = models.PositiveIntegerField(
        null=True, editable=False, help_text="Approximate hourly rate in US dollars, used for sorting and filtering."
    )
    index_due_at = models.DateTimeField(
        null=True,
        default=None,
        db_default=Now(),
        editable=False,
        help_text="When the score changes because time has passed.",
    )

    objects = BuilderProfileManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="profiles_builder_slug_unique"),
            models.CheckConstraint(condition=Q(validation_tier__in=[1, 2, 3]), name="profiles_builder_tier_known"),
            models.CheckConstraint(condition=Q(hourly_rate__gt=0), name="profiles_builder_rate_positive"),
        ]
        indexes = [
            # The directory's default order. The other sort orders follow below.
            models.Index(F("score").desc(), F("id").desc(), name="profiles_builder_best", condition=LISTED),
            # For filtering by one tier. Lower tiers start far down in the default order.
            models.Index(
                F("validation_tier"),
                F("score").desc(),
                F("id").desc(),
                name="profiles_builder_tier_best",
                condition=LISTED,
            ),
            models.Index(F("id").desc(), name="profiles_builder_listed", condition=LISTED),
            models.Index(
                fields=["rate_usd", "id"], name="profiles_builder_rate", condition=LISTED & Q(rate_usd__isnull=False)
            ),
            models.Index(
                fields=["availability_confirmed_at", "id"],
                name="profiles_builder_confirmed",
                condition=LISTED & Q(availability_confirmed_at__isnull=False),
            ),
            # For search words and filters that few builders match. See profiles.directory.results.
            GinIndex(fields=["search"], name="profiles_builder_words", condition=LISTED),
            # For finding builders whose name starts with the search text.
            models.Index(fields=["name_key"], name="profiles_builder_name", condition=LISTED),
            # profiles.media.orphan_cleanup
            models.Index(fields=["image"], name="profiles_builder_image", condition=~Q(image="")),
            # profiles.directory.indexing.index_due
            models.Index(
                fields=["index_due_at"], name="profiles_builder_index_due", condition=Q(index_due_at__isnull=False)
            ),
        ]

    def get_absolute_url(self) -> str:
        return reverse("profiles:builder_detail", args=[self.slug])

    @property
    def name(self) -> str:
        return self.display_name or self.user.display_name

    @property
    def is_listed(self) -> bool:
        """Whether the directory lists the page, provided that the page is public."""
        return self.searchable and bool(self.headline)

    @property
    def chosen_availability(self) -> str:
        """The availability that the owner chose, confirmed or not."""
        return self.availability if self.available_for_hire else Availability.UNAVAILABLE

    @property
    def effective_availability(self) -> str:
        """The availability shown to clients. It is `unavailable` if the builder is not available for hire."""
        return self.stated_availability if self.available_for_hire else Availability.UNAVAILABLE

    @property
    def stated_availability(self) -> str:
        """The availability, or `not_stated` if the owner has not confirmed it."""
        return self.availability if self.availability_confirmed_at else Availability.NOT_STATED

    @property
    def image_url(self) -> str:
        """URL of the uploaded portrait or of the image from Clerk, or "" if there is neither."""
        return self.image.url if self.image else self.user.visible_image_url

    @property
    def initials(self) -> str:
        """Initials of the first and last name, or "" if the name contains no letters."""
        letters = [initial for word in self.name.split() if (initial := first_letter(word))]
        return "".join(letter.title() for letter in letters[:1] + letters[1:][-1:])

    @property
    def monogram_color(self) -> str:
        """Background for the initials.

        It is derived from the slug, and each colour is used for about a third of builders.
        """
        return ("sand", "clay", "pine", "sand", "pine", "clay")[len(self.slug or "") % 6]

    @property
    def top_skills(self) -> list[str]:
        return self.skills[:SKILLS_SHOWN]

    @property
    def tier_label(self) -> str:
        """The tier's label. Much faster than `get_validation_tier_display`, which hashes all choices."""
        return str(self.Tier(self.validation_tier).label)

    @property
    def checked_labels(self) -> str:
        """What an admin checked, for example "identity, 2 completed projects", or "" if nothing is claimed."""
        labels = [str(CheckedItem(item).label) for item in self.checked_items if item in CheckedItem.values]
        if count := self.checked_projects:
            projects = ngettext("%(count)d completed project", "%(count)d completed projects", count)
            labels.append(projects % {"count": count})
        return ", ".join(labels)

    @property
    def validation_tier_meaning(self) -> str:
        return str(self.TIER_MEANINGS[self.Tier(self.validation_tier)])
