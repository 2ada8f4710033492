from django.db import models
from django.utils.translation import gettext_lazy as _

from profiles.models.base import Profile, ProfileQuerySet


class ClientProfile(Profile):
    """A client's company and project preferences. Only the owner and admins can view it."""

    company_name = models.CharField(_("company"), max_length=120, blank=True)
    industry = models.CharField(_("industry"), max_length=80, blank=True, default="", db_default="")
    project_preferences = models.TextField(
        _("project preferences"),
        blank=True,
        default="",
        db_default="",
        help_text="Kinds of projects, ways of working and start dates.",
    )

    objects = ProfileQuerySet.as_manager()
