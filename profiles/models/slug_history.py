"""Addresses that pages had before."""

from django.db import models
from django.utils import timezone

from profiles.models.builder import BuilderProfile
from profiles.slugs import MAX_LENGTH


class FormerSlug(models.Model):
    """An address that a builder's page had. It leads to the page for ever, and nobody else can have it."""

    slug = models.CharField(max_length=MAX_LENGTH)
    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="former_slugs")
    replaced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug"], name="profiles_former_slug_unique")]

    def __str__(self) -> str:
        return self.slug
