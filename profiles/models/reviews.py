from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from profiles.models.badges import Badge
from profiles.models.builder import BuilderProfile


class ReviewRequest(models.Model):
    """A builder's request for a review, so that an admin raises the tier or awards a badge.

    Attributes:
        tier: the requested tier, or None.
        badge: the requested badge, or "".
        text, links: the builder's evidence. Only the builder and admins can read it.
        assigned_to: the admin who works on the request. See `assignee`.
        reason: why the admin decided this way. The builder can read it.
        evidence_erased_at: when the text, links and files were erased.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        GRANTED = "granted", _("Granted")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="review_requests")
    tier = models.PositiveIntegerField(choices=BuilderProfile.Tier, null=True)
    badge = models.CharField(max_length=16, choices=Badge.Kind, blank=True, default="")
    text = models.TextField(_("description"), blank=True)
    links = ArrayField(verbose_name=_("links"), base_field=models.URLField(max_length=300), default=list, blank=True)
    requested_at = models.DateTimeField(_("requested"), default=timezone.now)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    assigned_to = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    closed_at = models.DateTimeField(_("closed"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    reason = models.TextField(_("reason for the decision"), blank=True)
    evidence_erased_at = models.DateTimeField(_("evidence erased"), null=True)

    class Meta:
        ordering = ["requested_at"]
        verbose_name = _("review request")
        verbose_name_plural = _("review requests")
        indexes = [
            models.Index(fields=["builder", "-requested_at"], name="profiles_review_recent"),
            # profiles.reviews.services.erase_expired_evidence
            models.Index(
                fields=["closed_at"],
                name="profiles_review_erasure_due",
                condition=Q(closed_at__isnull=False, evidence_erased_at=None),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(tier=None) ^ Q(badge=""), name="profiles_review_one_subject"),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="profiles_review_closed_at",
            ),
            models.UniqueConstraint(
                fields=["builder"], condition=Q(state="open", badge=""), name="profiles_review_tier_once"
            ),
            models.UniqueConstraint(
                fields=["builder", "badge"], condition=Q(state="open", tier=None), name="profiles_review_badge_once"
            ),
        ]

    def __str__(self) -> str:
        return f"review request {self.pk}"

    @property
    def subject(self) -> str:
        """A label for the requested tier or badge."""
        if self.tier is not None:
            return gettext("Tier: %(tier)s") % {"tier": BuilderProfile.Tier(self.tier).label}
        return gettext("Badge: %(badge)s") % {"badge": Badge.Kind(self.badge).label}

    @property
    def assignee(self) -> User | None:
        """The admin who works on the request, or None if that user is no longer an admin."""
        user = self.assigned_to
        is_admin = user is not None and user.is_active and (user.is_superuser or user.has_role(User.Role.ADMIN))
        return user if is_admin else None


class ReviewFile(models.Model):
    """A file that a builder attached to a review request.

    The content is stored in the database, not with the public images, so that no URL or CDN serves it, every host can
    read it, and deleting the row deletes the data.
    """

    class Kind(models.TextChoices):
        PDF = "application/pdf", "PDF"
        WEBP = "image/webp", "WebP"

    review = models.ForeignKey(ReviewRequest, models.CASCADE, related_name="files")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=Kind)
    size = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
