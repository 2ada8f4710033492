"""Where people's pages are, for apps that do not know of profiles; see settings.PROFILE_URL_LOOKUP."""

from profiles.models import BuilderProfile


def builder_page_url(user_id: int) -> str:
    """Return the address of somebody's builder page, or nothing. Whoever looks may still find that it is away.

    Before a name is known, and after the person is erased, a profile has no address.
    """
    builder = BuilderProfile.objects.filter(user_id=user_id, slug__isnull=False).only("slug").first()
    return builder.get_absolute_url() if builder else ""
