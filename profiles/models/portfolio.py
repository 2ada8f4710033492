from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.choices import label_of
from profiles.models.builder import BuilderProfile

MAX_PROJECTS = 24
MAX_TECHNOLOGIES = 12


class Project(models.Model):
    """A project in a builder's portfolio."""

    class Status(models.TextChoices):
        LIVE = "live", _("Live")
        DEMO = "demo", _("Demo")
        CONCEPT = "concept", _("Concept")

    #: ID of the section version that undoes the last edit of this instance.
    undo_id: int | None = None

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="projects")
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    url = models.URLField(max_length=500, blank=True)
    technologies = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.LIVE)
    image = models.ImageField(upload_to="projects/", blank=True, width_field="image_width", height_field="image_height")
    image_width = models.PositiveIntegerField(null=True, blank=True, editable=False)
    image_height = models.PositiveIntegerField(null=True, blank=True, editable=False)
    image_alt = models.CharField(
        max_length=200, blank=True, help_text="Describes the image for people who cannot see it."
    )
    position = models.PositiveIntegerField(default=0, help_text="Projects with lower numbers come first.")
    form_token = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="Identifies the submitted form, so that submitting it twice creates one project.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["builder", "form_token"], name="profiles_project_form_token_unique")
        ]
        indexes = [
            # For the portfolio on a builder's page.
            models.Index(fields=["builder", "position", "id"], name="profiles_project_order"),
            # profiles.media.orphan_cleanup
            models.Index(fields=["image"], name="profiles_project_image", condition=~Q(image="")),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def status_label(self) -> str:
        return label_of(self.Status, self.status)

    @property
    def anchor(self) -> str:
        """The project's element ID. A property, because templates use it often and format numbers slowly."""
        return f"project-{self.pk}"
