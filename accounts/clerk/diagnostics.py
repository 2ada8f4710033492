"""Check the connection to Clerk, for `manage.py clerk_doctor` and the Diagnostics page.

Unlike system checks, these checks send HTTP requests. They do not use the database, so they can run in threads.
"""

import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core import checks

from accounts.clerk import instance, instance_guard, jwks, tokens
from accounts.clerk.http import API_VERSION, ClerkApiError

TIMEOUT_S = 5.0
#: Report certificates that expire within this period. They should have been renewed by now.
RENEW_WITHIN = timedelta(days=14)
#: Advice by Backend API status code. Other error statuses are problems on Clerk's side.
API_ADVICE = {
    401: "Copy CLERK_SECRET_KEY again from the API keys page of Clerk's dashboard, and restart all processes.",
    403: "Check in Clerk's dashboard whether the key may read users and whether the account is active.",
    429: "Wait a minute. If Clerk still refuses requests, look for other programs that use the same instance.",
}
CLERK_ADVICE = "Check https://status.clerk.com. Pending work continues automatically when Clerk responds again."
NETWORK_ADVICE = "Check CLERK_API_URL, the DNS server and the firewall of this server."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        problem: a description of the problem, or "" if the check passed.
        advice: how to fix the problem.
        note: a summary of the result, if the check passed.
        is_skipped: whether the check was skipped because it does not apply. The reason is in `note`.
        facts: measured values, which must be JSON-serialisable.
    """

    problem: str = ""
    advice: str = ""
    note: str = ""
    is_skipped: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def skipped(reason: str) -> Finding:
    return Finding(note=reason, is_skipped=True)


def check_settings() -> Finding:
    """Run the system checks for settings."""
    found = [message for message in checks.run_checks(tags=[checks.Tags.security]) if message.is_serious()]
    if not found:
        return Finding(note="All settings are valid.")
    problem = " ".join(f"{message.msg} ({message.id})" for message in found)
    return Finding(problem, " ".join(message.hint for message in found if message.hint))


def check_instance() -> Finding:
    configured = instance.current()
    if configured is None:
        return Finding(
            "CLERK_PUBLISHABLE_KEY is not set, so users cannot sign in.",
            "Copy it from the API keys page of Clerk's dashboard.",
        )
    kind = "Development" if configured.is_development else "Production"
    return Finding(note=f"{kind} instance at {configured.frontend_api_url}.")


def check_key_server() -> Finding:
    """Check that the public keys for verifying session tokens can be fetched."""
    if settings.CLERK_JWT_KEY:
        return Finding(note="CLERK_JWT_KEY is set, so no key is fetched.")
    try:
        found = jwks.fetch()
    except (jwks.KeysUnavailable, httpx.HTTPError, ValueError) as error:
        reason = str(error).partition("\n")[0] or "neither CLERK_SECRET_KEY nor CLERK_PUBLISHABLE_KEY is set."
        return Finding(
            f"The public keys could not be fetched: {reason}", "Check CLERK_SECRET_KEY, or set CLERK_JWT_KEY."
        )
    if not found:
        return Finding("The key server returned no RSA key.", "Check CLERK_FRONTEND_API_URL and CLERK_API_URL.")
    if settings.CLERK_INSTANCE_ID and settings.CLERK_INSTANCE_ID not in found:
        return Finding(
            f"Its keys belong to {', '.join(sorted(found))}, but CLERK_INSTANCE_ID is {settings.CLERK_INSTANCE_ID}.",
            "Use the keys and the instance id of the same instance.",
        )
    return Finding(note=f"Key {', '.join(sorted(found))}.", facts=_instance_ids(found))


def check_api() -> Finding:
    """Check that CLERK_SECRET_KEY can list users and belongs to the configured instance."""
    if not settings.CLERK_SECRET_KEY:
        return Finding(
            "CLERK_SECRET_KEY is not set, so users cannot be fetched from Clerk.",
            "Copy it from the API keys page of Clerk's dashboard.",
        )

    def check() -> Finding:
        keys = _get("/v1/jwks")
        if problem := _status_problem(keys):
            return problem
        instance_guard.check_key_set(keys.json())
        started = datetime.now(UTC)
        users = _get("/v1/users", {"limit": 1})
        elapsed_s = (datetime.now(UTC) - started).total_seconds()
        if problem := _status_problem(users):
            return problem
        if not isinstance(users.json(), list):
            return Finding("Clerk's list of users is not a JSON array.", "Check CLERK_API_URL.")
        facts = {"seconds": round(elapsed_s, 3)} | _instance_ids(jwks.parse_key_set(keys.json()))
        return Finding(note=f"Clerk listed users in {elapsed_s:.1f} s.", facts=facts)

    try:
        return _run(check)
    except ClerkApiError as error:
        advice = "Copy CLERK_SECRET_KEY again. It must belong to the same instance as CLERK_PUBLISHABLE_KEY."
        return Finding(str(error), advice)


def _instance_ids(key_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the instance IDs as a fact. A key's ID is the ID of its instance, but Clerk does not guarantee it."""
    ids = sorted(key_id for key_id in key_ids if key_id.startswith("ins_"))
    return {"instance_ids": ids} if ids else {}


def measure_clock_offset() -> float:
    """Return how many seconds this server's clock is ahead of Clerk's, or a negative number if it is behind.

    The Date header has one-second precision, so the result is accurate to about a second.

    Raises:
        httpx.HTTPError: Clerk did not respond.
        KeyError, ValueError: the response has no valid Date header.
    """
    sent_at = datetime.now(UTC)
    # The status does not matter, because every response has a Date header.
    response = httpx.head(settings.CLERK_API_URL, timeout=TIMEOUT_S)
    middle = sent_at + (datetime.now(UTC) - sent_at) / 2
    # The header is truncated to whole seconds, so on average Clerk's clock was half a second ahead of it.
    return (middle - parsedate_to_datetime(response.headers["Date"])).total_seconds() - 0.5


def check_clock() -> Finding:
    """Check the clock offset from Clerk. Tokens are rejected if the clocks differ by more than a few seconds."""

    def check() -> Finding:
        offset_s = measure_clock_offset()
        facts = {"offset_s": round(offset_s, 1)}
        # Allow for the precision of the Date header and the request duration.
        if abs(offset_s) <= tokens.SKEW_S + 2:
            return Finding(note="The clock agrees with Clerk's to within a few seconds.", facts=facts)
        problem = (
            f"The clock differs from Clerk's by {abs(offset_s):.0f} s. It is {'ahead' if offset_s > 0 else 'behind'}."
        )
        return Finding(problem, "Synchronize the clock of this server with NTP.", facts=facts)

    return _run(check)


def check_frontend_dns() -> Finding:
    """Resolve the Frontend API host name."""
    host = urlsplit(settings.CLERK_FRONTEND_API_URL).hostname
    if not host:
        return skipped("CLERK_PUBLISHABLE_KEY is not set.")
    if host.endswith(".localhost"):
        return skipped("The Frontend API runs on this machine.")
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)})
    except OSError as error:
        advice = f"Check the CNAME record of {host} on the Domains page of Clerk's dashboard."
        return Finding(f"{host} has no address: {error.strerror or error}.", advice)
    return Finding(note=f"{host} has the addresses {', '.join(found)}.")


def certificate_expires_at(host: str, port: int = 443) -> datetime:
    """Return the expiry time of the server's TLS certificate.

    Raises:
        ssl.SSLCertVerificationError: the certificate has expired, is not trusted, or is for another host.
        OSError: no TLS connection was established within TIMEOUT_S.
    """
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        certificate: dict[str, Any] = dict(encrypted.getpeercert() or {})
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def check_frontend_certificate() -> Finding:
    advice = "Open the Domains page of Clerk's dashboard and check the certificate of the Frontend API."
    return check_certificate(settings.CLERK_FRONTEND_API_URL, advice)


def check_certificate(url: str, advice: str) -> Finding:
    """Check the TLS certificate for `url`. The result includes the expiry time."""
    parts = urlsplit(url)
    host = parts.hostname
    if not host or parts.scheme != "https":
        return skipped("The address does not use HTTPS." if host else "The address is not set.")
    try:
        expires_at = certificate_expires_at(host, parts.port or 443)
    except ssl.SSLCertVerificationError as error:
        return Finding(f"The certificate of {host} is not valid: {error.verify_message}.", advice)
    except OSError as error:
        return Finding(f"There was no TLS connection to {host}: {error.strerror or error}.", advice)
    facts = {"expires_at": expires_at.isoformat(), "host": host}
    days = (expires_at - datetime.now(UTC)).days
    text = f"The certificate of {host} expires on {expires_at:%d %b %Y}, in {days} {'day' if days == 1 else 'days'}."
    return Finding(text, advice, facts=facts) if days < RENEW_WITHIN.days else Finding(note=text, facts=facts)


def check_endpoint(url: str) -> Finding:
    """Check that `url` is our webhook endpoint, which rejects GET requests with a specific error code.

    The check sends GET because unsigned POST requests are counted as rejections and GET requests are not.
    """

    def check() -> Finding:
        response = httpx.get(jwks.resolve_localhost(url), timeout=TIMEOUT_S, follow_redirects=False)
        if response.status_code == 405 and "method_not_allowed" in response.text:
            return Finding(note=f"{url} responds.")
        problem = f"{url} returned {response.status_code}, which is not a response from the webhook endpoint."
        advice = (
            "Svix does not follow redirects. Register the final URL: with https, and exactly the host name and slashes that "
            "the site uses."
        )
        return Finding(problem, advice)

    return _run(check, "Check the DNS record and the proxy of this site.")


def _get(path: str, query: dict[str, Any] | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}", "Clerk-API-Version": API_VERSION}
    return httpx.get(f"{settings.CLERK_API_URL}{path}", params=query, headers=headers, timeout=TIMEOUT_S)


def _status_problem(response: httpx.Response) -> Finding | None:
    if response.is_success:
        return None
    path, status = response.request.url.path, response.status_code
    return Finding(
        f"Clerk returned {status} for GET {path} with CLERK_SECRET_KEY.", API_ADVICE.get(status, CLERK_ADVICE)
    )


def _run(check: Callable[[], Finding], advice: str = NETWORK_ADVICE) -> Finding:
    try:
        return check()
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
        return Finding(f"There was no usable response: {error!r}", advice)
