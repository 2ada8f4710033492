"""Record the agreement of people who sign up through the sign-up page.

The page stores the versions that it links to in a signed cookie. Clerk sends new users to the URL `sign_up_complete`,
which records their agreement. Users who sign up elsewhere see a notice on their account page. Webhooks are not involved.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.legal import services
from accounts.models import Agreement, LegalVersion, User
from audit.log import Actor

COOKIE = "sign_up_texts"
LIFETIME = timedelta(hours=2)
_SALT = "accounts.legal.sign_up"


def versions_to_agree_to() -> list[LegalVersion]:
    return list(LegalVersion.objects.current().requiring_agreement().defer("texts"))


def remember(request: HttpRequest, response: HttpResponse, versions: list[LegalVersion]) -> None:
    """Store in a cookie which versions the sign-up page linked to, and when."""
    value = signing.dumps([timezone.now().timestamp(), [version.pk for version in versions]], salt=_SALT)
    max_age, secure = int(LIFETIME.total_seconds()), request.is_secure()
    response.set_cookie(COOKIE, value, max_age, secure=secure, httponly=True, samesite="Lax")


def record(request: HttpRequest, response: HttpResponse) -> None:
    """Record the agreement of a user whose account is newer than the sign-up page in the cookie, and delete the cookie."""
    shown_at, version_ids = _read(request)
    user = request.user
    # Otherwise a link from another site could record the agreement of a user who signed up long ago.
    is_new = isinstance(user, User) and user.created_at >= shown_at and not getattr(request, "impersonator", None)
    if version_ids and is_new and isinstance(user, User):
        services.agree(user, version_ids, source=Agreement.Source.SIGN_UP, actor=Actor.from_request(request))
    response.delete_cookie(COOKIE, samesite="Lax")


def _read(request: HttpRequest) -> tuple[datetime, list[int]]:
    """Return when the sign-up page was shown, and the versions that it linked to."""
    try:
        stored: Any = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return datetime.max.replace(tzinfo=UTC), []
    timestamp, version_ids = stored
    return datetime.fromtimestamp(timestamp, UTC), version_ids
