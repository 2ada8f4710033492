"""Slug changes. Former slugs always redirect to their page."""

from django.utils.translation import gettext_lazy as _

from core.db.statements import insert_if_new
from profiles.models import BuilderProfile, FormerSlug
from profiles.slugs.reserved import reserved_slugs

#: Limited, because former slugs stay reserved for their page.
MAX_FORMER_SLUGS = 10
SLUG_TAKEN = _("This URL is taken. Choose a different one, for example your name and what you build.")
SLUG_RESERVED = _("This URL is reserved. Choose a different one, for example your name and what you build.")
TOO_MANY_SLUGS = _("Your page has already had ten URLs. Choose a previous URL, or contact us.")


class SlugTaken(Exception):
    """Another profile took the slug after validation."""


def slug_error(slug: str, profile: BuilderProfile) -> str | None:
    """Return an error message if `profile` cannot use `slug`, otherwise None.

    Current slugs are checked before former slugs, so that a slug that is released between the two queries is still
    found.
    """
    if slug == profile.slug or FormerSlug.objects.filter(slug=slug, builder=profile).exists():
        return None
    if slug in reserved_slugs():
        return str(SLUG_RESERVED)
    if BuilderProfile.objects.filter(slug=slug).exists() or FormerSlug.objects.filter(slug=slug).exists():
        return str(SLUG_TAKEN)
    return str(TOO_MANY_SLUGS) if FormerSlug.objects.filter(builder=profile).count() >= MAX_FORMER_SLUGS else None


def record_former_slug(profile: BuilderProfile, slug: str) -> None:
    """Store a locked profile's current slug as a former slug before it changes to `slug`."""
    FormerSlug.objects.filter(slug=slug, builder=profile).delete()
    if profile.slug:
        insert_if_new(FormerSlug(slug=profile.slug, builder=profile))
