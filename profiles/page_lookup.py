"""Look up builder pages for apps that cannot import profiles. See accounts.extensions."""

from django.urls import ResolverMatch
from django.utils.translation import gettext as _

from core.text import postgres_safe
from profiles.models import BuilderProfile


def builder_page_url(user_id: int) -> str:
    """Return the URL of the user's builder page, or "" if there is none. The page may be hidden from the viewer.

    A profile has no URL before the user has a name or after the user's personal data has been erased.
    """
    builder = BuilderProfile.objects.filter(user_id=user_id, slug__isnull=False).only("slug").first()
    return builder.get_absolute_url() if builder else ""


def builder_page_language(user_id: int) -> str:
    """Return the language code of the user's builder page, or ""."""
    found = BuilderProfile.objects.filter(user_id=user_id).values_list("page_language", flat=True).first()
    return found or ""


def sign_in_heading(page: ResolverMatch) -> str:
    """Return the sign-in heading for visitors who want to message a builder with a public page."""
    if page.view_name != "profiles:contact":
        return ""
    builder = BuilderProfile.objects.published().filter(slug=postgres_safe(page.kwargs["slug"])).first()
    return _("Sign in to write to %(name)s") % {"name": builder.name} if builder else ""
