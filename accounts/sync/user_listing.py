"""Read Clerk's list of all users by cursor, even while users are being created and deleted."""

from collections.abc import Iterator

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError, ClerkNotFoundError, ClerkRejectedError, UserPage
from accounts.models import Reconciliation, User

#: Number of alternative cursors to try before restarting from the beginning of the list.
MAX_STEPS_BACK = 5


def next_page(run: Reconciliation) -> UserPage:
    """Return the page after the run's cursor.

    If the cursor's user has been deleted, continue after a local user who signed up earlier. If that also fails,
    restart from the first page. Some users are then listed twice, but no user is skipped.

    Raises:
        ClerkApiError: Clerk returned no usable page, or the same page again.
    """
    for cursor in _cursors(run):
        try:
            page = api.list_users(cursor)
        except (ClerkNotFoundError, ClerkRejectedError):
            continue
        if page.last_id == cursor:
            raise ClerkApiError(f"Clerk's list of users does not advance past {cursor}.")
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
