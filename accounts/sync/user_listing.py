"""Clerk's list of everybody, read by key, although people on it come and go while it is read."""

from collections.abc import Iterator

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError, ClerkNotFoundError, ClerkRejectedError, UserPage
from accounts.models import Reconciliation, User

#: People tried as the one to go on behind, before the list is read from its beginning again.
MAX_STEPS_BACK = 5


def next_page(run: Reconciliation) -> UserPage:
    """Return the page behind the person that `run` has reached.

    If that person was deleted meanwhile, it goes on behind somebody who signed up before and is known here; if there is
    nobody, from the first on. Some people are on two pages then, and nobody is on none.

    Raises:
        ClerkApiError: Clerk gives no usable answer, or the same page for ever.
    """
    for cursor in _cursors(run):
        try:
            page = api.list_users(cursor)
        except (ClerkNotFoundError, ClerkRejectedError):
            continue
        if page.last_id == cursor:
            raise ClerkApiError(f"Clerk's list of users does not go on behind {cursor}.")
        return page
    run.compared, run.cursor_created_at, run.boundary_ids = 0, None, []
    return api.list_users()


def _cursors(run: Reconciliation) -> Iterator[str]:
    if not run.cursor:
        return
    yield run.cursor
    if run.cursor_created_at:
        before = User.objects.live().filter(clerk_id__isnull=False, clerk_created_at__lt=run.cursor_created_at)
        for clerk_id in before.order_by("-clerk_created_at").values_list("clerk_id", flat=True)[:MAX_STEPS_BACK]:
            yield str(clerk_id)
