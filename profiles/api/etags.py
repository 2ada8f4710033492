"""ETags, so that nobody overwrites what they have not seen. RFC 9110, section 13

A tag is a digest of the answer that this viewer gets; so it changes with anything in it, and tells nothing of the rest.
"""

import hashlib

from django.http import HttpRequest
from django.utils.http import parse_etags

from profiles.api.errors import ApiError


def etag_of(content: bytes) -> str:
    """Return the strong tag of an answer."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_known(request: HttpRequest, etag: str) -> bool:
    """Return whether whoever asks has this very answer already."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in (tag.removeprefix("W/") for tag in known)


def require_condition(request: HttpRequest) -> None:
    """Refuse a change that does not say which state it is made to.

    Raises:
        ApiError: there is no If-Match.
    """
    if "If-Match" not in request.headers:
        message = "Send the ETag of what you have read as If-Match; * overwrites whatever is there."
        raise ApiError(428, "condition_required", message)


def check_condition(request: HttpRequest, etag: str) -> None:
    """Refuse a change to a state that is over. Call it while the row is locked.

    Raises:
        ApiError: what is stored is not what If-Match names.
    """
    wanted = parse_etags(request.headers["If-Match"])
    # Weak tags never match here: they say that two answers are about the same.
    if "*" not in wanted and etag not in wanted:
        message = "This profile has changed since you read it. Read it again, and see whether your change still fits."
        raise ApiError(412, "changed_meanwhile", message, headers={"ETag": etag})
