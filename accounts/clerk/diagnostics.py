"""Check the connection between this deployment and Clerk, for `manage.py clerk_doctor`.

Unlike the system checks, these checks send requests.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from django.conf import settings
from django.core import checks

from accounts.clerk import instance, instance_guard, jwks, tokens
from accounts.clerk.http import ClerkApiError

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: what was checked.
        problem: a description of the problem, or "" if the check passed.
        advice: how to fix the problem.
    """

    subject: str
    problem: str = ""
    advice: str = ""


def run_checks(webhook_url: str = "") -> Iterator[Finding]:
    """Yield the result of each check. Later checks depend on earlier checks.

    Args:
        webhook_url: the webhook endpoint's URL as registered in Clerk. If it is empty, the endpoint is not checked.
    """
    yield from _check_settings()
    for check in (_check_key_server, _check_clock, _check_backend_api):
        yield check()
    if webhook_url:
        yield _check_webhook(webhook_url)


def _check_settings() -> Iterator[Finding]:
    found = [message for message in checks.run_checks(tags=[checks.Tags.security]) if message.is_serious()]
    for message in found:
        yield Finding("settings", f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield Finding("settings")
    if instance.current() is None:
        yield Finding(
            "instance",
            "CLERK_PUBLISHABLE_KEY is not set, so users cannot sign in.",
            "Copy it from the API keys page of Clerk's dashboard.",
        )
    else:
        yield Finding("instance")


def _check_key_server() -> Finding:
    if settings.CLERK_JWT_KEY:
        return Finding("public key (CLERK_JWT_KEY)")
    try:
        found = jwks.fetch()
    except (jwks.KeysUnavailable, httpx.HTTPError, ValueError) as error:
        reason = str(error).partition("\n")[0] or "neither CLERK_SECRET_KEY nor CLERK_PUBLISHABLE_KEY is set."
        return Finding(
            "key server",
            f"The public keys could not be fetched: {reason}",
            "Check CLERK_SECRET_KEY, or set CLERK_JWT_KEY.",
        )
    if not found:
        return Finding("key server", "It returned no RSA key.", "Check CLERK_FRONTEND_API_URL and CLERK_API_URL.")
    if settings.CLERK_INSTANCE_ID and settings.CLERK_INSTANCE_ID not in found:
        return Finding(
            "key server",
            f"Its keys belong to {', '.join(sorted(found))}, but CLERK_INSTANCE_ID is {settings.CLERK_INSTANCE_ID}.",
            "Use the keys and the instance id of the same instance.",
        )
    return Finding("key server")


def _check_clock() -> Finding:
    """Compare this server's clock with Clerk's. Tokens are rejected if they differ by more than a few seconds."""

    def check() -> str:
        sent_at = datetime.now(UTC)
        # Ignore the status, because every response has a Date header.
        response = httpx.head(settings.CLERK_API_URL, timeout=TIMEOUT_S)
        off_s = abs((parsedate_to_datetime(response.headers["Date"]) - sent_at).total_seconds())
        # Allow for the header's precision of one second and for the duration of the request.
        return f"The clock differs from Clerk's by {off_s:.0f} s." if off_s > tokens.SKEW_S + 2 else ""

    return _run("clock", check, "Synchronize the clock of this server with NTP.")


def _check_backend_api() -> Finding:
    if not settings.CLERK_SECRET_KEY:
        return Finding(
            "Backend API",
            "CLERK_SECRET_KEY is not set, so users cannot be fetched from Clerk.",
            "Copy it from the API keys page of Clerk's dashboard.",
        )

    def check() -> str:
        headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"}
        response = httpx.get(f"{settings.CLERK_API_URL}/v1/jwks", headers=headers, timeout=TIMEOUT_S)
        if not response.is_success:
            return f"Clerk returned {response.status_code} for a request with CLERK_SECRET_KEY."
        try:
            instance_guard.check_key_set(response.json())
        except ClerkApiError as error:
            return str(error)
        return ""

    return _run(
        "Backend API",
        check,
        "Copy CLERK_SECRET_KEY again. It must belong to the same instance as CLERK_PUBLISHABLE_KEY.",
    )


def _check_webhook(url: str) -> Finding:
    """Send a POST request without a signature.

    Only our endpoint responds with 400 and the error code `missing_headers`.
    """

    def check() -> str:
        response = httpx.post(url, content=b"{}", timeout=TIMEOUT_S)
        if response.status_code == 400 and "missing_headers" in response.text:
            return ""
        return f"{url} returned {response.status_code}, which is not a response from the webhook endpoint."

    advice = (
        "Svix does not follow redirects. Register the final URL: with https, and exactly the host name and slashes that the "
        "site uses."
    )
    return _run("webhook endpoint", check, advice)


def _run(subject: str, check: Callable[[], str], advice: str) -> Finding:
    try:
        problem = check()
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
        return Finding(subject, f"There was no usable response: {error!r}", "Check the URL and the network connection.")
    return Finding(subject, problem, advice if problem else "")
