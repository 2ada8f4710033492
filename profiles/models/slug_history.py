from django.db import models
from django.utils import timezone

from profiles.models.builder import BuilderProfile
from profiles.slugs.text import MAX_LENGTH


class FormerSlug(models.Model):
    """A builder page's former slug. It always redirects to the page, and no other builder can use it."""

    slug = models.CharField(max_length=MAX_LENGTH)
    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="former_slugs")
    replaced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug"], name="profiles_former_slug_unique")]

    def __str__(self) -> str:
        return self.slug
