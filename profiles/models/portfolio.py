from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from core.choices import label_of
from profiles.models.builder import BuilderProfile
from profiles.models.section_history import SectionVersion

MAX_PROJECTS = 24
MAX_TECHNOLOGIES = 12
#: Maximum number of images per project.
MAX_IMAGES = 12
#: Number of images of a project on the builder's page. The project's own page shows all images.
MAX_PREVIEWS = 4
#: Images that are higher than this multiple of their width are laid out side by side, as phone screenshots are.
TALL_RATIO = 1.3
#: Maximum length of the title in a project's address.
MAX_SLUG_LENGTH = 60


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
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("profiles:project", args=[self.builder.slug, self.url_name])

    @property
    def status_label(self) -> str:
        return label_of(self.Status, self.status)

    @property
    def anchor(self) -> str:
        """The project's element ID. A property, because templates use it often and format numbers slowly."""
        return f"project-{self.pk}"

    @property
    def url_name(self) -> str:
        """The last part of the address of the project's page. The ID finds the project, also after a new title."""
        title = slugify(self.title, allow_unicode=True)[:MAX_SLUG_LENGTH].strip("-")
        return f"{self.pk}-{title}" if title else str(self.pk)

    @property
    def cover(self) -> "ProjectImage | None":
        return next(iter(self.images.all()), None)

    @property
    def previews(self) -> "list[ProjectImage]":
        """The images for the builder's page: the first image, or several phone screenshots side by side."""
        found = list(self.images.all())
        if not found or not found[0].is_tall:
            return found[:1]
        return [image for image in found if image.is_tall][:MAX_PREVIEWS]


class ProjectImage(models.Model):
    """An image in a project's gallery.

    A removed image belongs to the section version that restores it, instead of to a project.
    """

    # The builder never changes. Therefore, the versions of cached pages need no join.
    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="+")
    # No index of its own: the index for the order starts with the project.
    project = models.ForeignKey(Project, models.CASCADE, null=True, blank=True, related_name="images", db_index=False)
    version = models.ForeignKey(
        SectionVersion, models.CASCADE, null=True, blank=True, editable=False, related_name="images"
    )
    image = models.ImageField(upload_to="projects/", width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True, blank=True, editable=False)
    height = models.PositiveIntegerField(null=True, blank=True, editable=False)
    alt = models.CharField(
        "alternative text", max_length=200, help_text="Describes the image for people who cannot see it."
    )
    position = models.PositiveIntegerField(default=0, help_text="Images with lower numbers come first.")
    form_token = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Identifies the submitted form, as in projects."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(project__isnull=False, version__isnull=True)
                | Q(project__isnull=True, version__isnull=False),
                name="profiles_projectimage_in_use_or_removed",
            ),
            models.UniqueConstraint(fields=["project", "form_token"], name="profiles_projectimage_form_token_unique"),
        ]
        indexes = [
            # For the galleries on a builder's page.
            models.Index(fields=["project", "position", "id"], name="profiles_projectimage_order"),
            # profiles.media.orphan_cleanup
            models.Index(fields=["image"], name="profiles_projectimage_file", condition=~Q(image="")),
        ]

    def __str__(self) -> str:
        return self.alt

    @property
    def is_tall(self) -> bool:
        """Whether the image has the format of a phone screenshot."""
        return bool(self.width and self.height and self.height > self.width * TALL_RATIO)
