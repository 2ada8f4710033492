"""Invite the people of imported accounts through Clerk, which sends the emails."""

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.clerk import api, rate_limiter
from accounts.clerk.api import ClerkApiError, ClerkRejectedError
from accounts.models import ImportedAccount, UserImport

#: Clerk's code for an address with a pending invitation.
ALREADY_INVITED = "duplicate_record"
#: Longer than the interval of one invitation, which is 40 s.
MAX_WAIT_S = 120.0


def pending(run: UserImport) -> QuerySet[ImportedAccount]:
    """Return the run's accounts that have not been invited, and whose people have not signed up."""
    unclaimed = {"user__clerk_id": None, "user__is_active": True, "user__deleted_at": None}
    found = ImportedAccount.objects.filter(run=run, invited_at=None, invitation_error="", **unclaimed)
    return found.select_related("user").order_by("line")


def invite(account: ImportedAccount) -> bool:
    """Invite the person of an account, and return whether Clerk accepted the invitation.

    If the result of an earlier attempt is unknown, Clerk rejects the repeated invitation, and it counts as sent.

    Raises:
        ClerkApiError: Clerk cannot be reached. The invitation can be sent later.
    """
    if not rate_limiter.acquire(rate_limiter.INVITATIONS, max_wait_s=MAX_WAIT_S):
        raise ClerkApiError("Clerk's limit of invitations per hour is used up.")
    user, sign_up_url = account.user, settings.SITE_URL + reverse("accounts:sign_up")
    try:
        account.invitation_id = api.create_invitation(user.email or "", roles=user.roles, sign_up_url=sign_up_url)
    except ClerkRejectedError as error:
        if error.code != ALREADY_INVITED:
            account.invitation_error = str(error)[:500]
    account.invited_at = None if account.invitation_error else timezone.now()
    account.save(update_fields=["invited_at", "invitation_id", "invitation_error"])
    return account.invited_at is not None
