"""Recent verification: before serious actions, admins verify with Clerk that they are still the same person.

The rule is Clerk's level "strict": the second factor, or the first if the user has no second factor, was verified less
than ten minutes before the token was issued. https://clerk.com/docs/guides/secure/reverification

Local operators, who have no Clerk account, are verified for ten minutes after they sign in with their password.
"""

import time
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.clerk.authentication import SignedIn
from accounts.sessions import preserved_forms

MAX_AGE_MINUTES = 10
#: Session key with the time of a local operator's sign-in, in seconds since 1970.
SIGNED_IN_AT = "signed_in_at"


def is_recent(request: HttpRequest) -> bool:
    """Return whether the request's user was verified recently. Nobody can verify while impersonating another user."""
    state = getattr(request, "clerk", None)
    if not isinstance(state, SignedIn):
        return 0 <= time.time() - int(request.session.get(SIGNED_IN_AT, 0)) < MAX_AGE_MINUTES * 60
    first, second = state.claims.factor_ages
    age = first if second == -1 else second
    return state.claims.impersonator is None and 0 <= age < MAX_AGE_MINUTES


def remember_sign_in(request: HttpRequest) -> None:
    """Record that a local operator has entered the password."""
    request.session[SIGNED_IN_AT] = int(time.time())


def check_verification(request: HttpRequest, page_url: str, keep_form: bool) -> HttpResponse | None:  # noqa: FBT001
    """Implement `core.admin.verification.ask_to_verify`."""
    if is_recent(request):
        return None
    if keep_form:
        preserved_forms.keep(request, page_url)
        page_url = f"{page_url}?{preserved_forms.PARAMETER}=1"
    return redirect(f"{reverse('accounts:verify')}?{urlencode({'next': page_url})}")


def restored_fields(request: HttpRequest) -> dict[str, Any]:
    """Return the form's initial values after the user has verified, and tell the user to submit the form."""
    fields = preserved_forms.kept_fields(request)
    if not fields:
        return {}
    messages.info(request, _("Nothing has been changed yet. Check the form, and submit it again."))
    return fields.dict()
