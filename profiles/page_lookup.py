"""Look up builder page URLs for apps that cannot import profiles. See accounts.extensions."""

from profiles.models import BuilderProfile


def builder_page_url(user_id: int) -> str:
    """Return the URL of the user's builder page, or "" if there is none. The page may be hidden from the viewer.

    A profile has no URL before the user has a name or after the user's personal data has been erased.
    """
    builder = BuilderProfile.objects.filter(user_id=user_id, slug__isnull=False).only("slug").first()
    return builder.get_absolute_url() if builder else ""
