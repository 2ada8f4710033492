"""Profiles of clients."""

from django.db import models

from profiles.models.base import Profile, ProfileQuerySet


class ClientProfile(Profile):
    """What a client tells about the company; seen by its owner and by admins only."""

    company_name = models.CharField(max_length=120, blank=True)
    industry = models.CharField(max_length=80, blank=True, default="", db_default="")
    project_preferences = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="What kind of projects, how they like to work, when they want to begin.",
    )

    objects = ProfileQuerySet.as_manager()
