from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone


class SectionVersion(models.Model):
    """The values of a profile section before an edit. Only profiles.section_history writes these rows."""

    # No index of its own: the index for the history page starts with the owner.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    section = models.CharField(max_length=32, help_text="A section's key, `portrait`, `portfolio` or `gallery`.")
    project = models.BigIntegerField(
        null=True, blank=True, help_text="The ID of a portfolio project, which may have been deleted."
    )
    values = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    changed_fields = ArrayField(
        models.CharField(max_length=64), default=list, help_text="Empty if the edit deleted the project."
    )
    image = models.FileField(upload_to="removed/", blank=True, default="", help_text="The portrait that was removed.")
    replaced_at = models.DateTimeField(default=timezone.now)
    replaced_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    impersonator = models.CharField(
        max_length=255, null=True, blank=True, help_text="The Clerk ID of the admin who was signed in as `replaced_by`."
    )

    class Meta:
        indexes = [
            # For the history page and the version limit per section.
            models.Index(fields=["owner", "section", "-id"], name="profiles_version_section"),
            # For profiles.section_history.delete_expired
            models.Index(fields=["replaced_at"], name="profiles_version_age"),
            # For profiles.media.orphan_cleanup
            models.Index(fields=["image"], name="profiles_version_image", condition=~Q(image="")),
        ]

    def __str__(self) -> str:
        return f"version {self.pk}"  # The values are personal data.
