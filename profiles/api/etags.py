"""ETags, which prevent clients from overwriting changes that they have not read (RFC 9110, section 13).

An ETag is a digest of the response for one viewer. It changes whenever the response changes and does not reveal hidden
fields.
"""

import hashlib

from django.http import HttpRequest
from django.utils.http import parse_etags

from profiles.api.errors import ApiError


def etag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def matches_if_none_match(request: HttpRequest, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in (tag.removeprefix("W/") for tag in known)


def require_condition(request: HttpRequest) -> None:
    """Reject a change without If-Match.

    Raises:
        ApiError: 428, the header is missing.
    """
    if "If-Match" not in request.headers:
        message = "Send the ETag of the profile as If-Match, or * to overwrite any version."
        raise ApiError(428, "condition_required", message)


def check_condition(request: HttpRequest, etag: str) -> None:
    """Reject a change to an outdated version. The caller must hold the row lock.

    Raises:
        ApiError: 412, If-Match does not contain the current ETag.
    """
    accepted = parse_etags(request.headers["If-Match"])
    # If-Match uses strong comparison, so weak tags never match.
    if "*" not in accepted and etag not in accepted:
        message = "This profile has changed since you read it. Read it again, then repeat your change."
        raise ApiError(412, "changed_meanwhile", message, headers={"ETag": etag})
