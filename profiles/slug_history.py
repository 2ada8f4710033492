"""The addresses of builders' pages. Owners change them; one that a page had leads to it for ever."""

from django.utils.translation import gettext_lazy as _

from core.db.statements import insert_if_new
from profiles.models import BuilderProfile, FormerSlug

#: Nobody else can have a former address, so nobody gets to collect them.
MAX_FORMER_SLUGS = 10
SLUG_TAKEN = _("Somebody has this address, or had it. Choose another, perhaps with what you build in it.")
TOO_MANY_SLUGS = _("Your page has had ten addresses. Go back to one of them, or ask us for help.")


class SlugTaken(Exception):
    """Somebody else took the address a moment ago."""


def slug_error(slug: str, profile: BuilderProfile) -> str | None:
    """Return why `profile` cannot have the address `slug`, or None.

    Current addresses are looked up before former ones: an address that is left between the two is then seen as former.
    """
    if slug == profile.slug or FormerSlug.objects.filter(slug=slug, builder=profile).exists():
        return None
    if BuilderProfile.objects.filter(slug=slug).exists() or FormerSlug.objects.filter(slug=slug).exists():
        return str(SLUG_TAKEN)
    return str(TOO_MANY_SLUGS) if FormerSlug.objects.filter(builder=profile).count() >= MAX_FORMER_SLUGS else None


def record_former_slug(profile: BuilderProfile, slug: str) -> None:
    """Keep the address that a locked profile leaves for `slug`, which is not a former one any more."""
    FormerSlug.objects.filter(slug=slug, builder=profile).delete()
    if profile.slug:
        insert_if_new(FormerSlug(slug=profile.slug, builder=profile))


def exclude_former(slugs: list[str]) -> list[str]:
    """Return those of `slugs` that no page has left."""
    left = set(FormerSlug.objects.filter(slug__in=slugs).values_list("slug", flat=True))
    return [slug for slug in slugs if slug not in left]
