from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.choices import label_of
from profiles.models.builder import BuilderProfile


class Badge(models.Model):
    """A distinction that an admin awards to a builder, with public evidence."""

    class Kind(models.TextChoices):
        IDENTITY = "identity", _("Identity checked")
        REFERENCES = "references", _("References checked")
        CODE = "code", _("Code reviewed")
        ACCESSIBILITY = "accessibility", _("Builds accessibly")
        SECURITY = "security", _("Builds securely")
        MENTOR = "mentor", _("Mentor")

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="badges")
    kind = models.CharField(max_length=16, choices=Kind)
    evidence = models.CharField(max_length=300, help_text="Shown on the builder's public page.")
    awarded_at = models.DateTimeField(default=timezone.now)
    awarded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        ordering = ["awarded_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["builder", "kind"], name="profiles_badge_kind_unique"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return label_of(self.Kind, self.kind)
