"""What can be wrong between this deployment and Clerk, and what to change. Asks Clerk, unlike the checks at start-up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from django.conf import settings
from django.core import checks
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateWorker

from accounts.clerk import instance, instance_guard, jwks, tokens
from accounts.clerk.http import ClerkApiError

TIMEOUT_S = 5.0
#: A worker beats more often than that, whatever PROCRASTINATE_WORKER_DEFAULTS says.
SILENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it was.
        problem: what is wrong, or "" if nothing is.
        advice: what to change.
    """

    subject: str
    problem: str = ""
    advice: str = ""


def examine(webhook_url: str = "") -> Iterator[Finding]:
    """Yield a finding for each thing looked at, in the order in which they depend on each other.

    Args:
        webhook_url: the address of the webhook endpoint as Svix knows it; without it, it is not knocked at.
    """
    yield from _settings()
    for look in (_key_server, _clock, _backend_api, _worker):
        yield look()
    if webhook_url:
        yield _webhook(webhook_url)


def _settings() -> Iterator[Finding]:
    """Look at what can be seen at start-up, too: the system checks."""
    found = [message for message in checks.run_checks(tags=[checks.Tags.security]) if message.is_serious()]
    for message in found:
        yield Finding("settings", f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield Finding("settings")
    if instance.current() is None:
        yield Finding("instance", "CLERK_PUBLISHABLE_KEY is not set, so nobody can sign in.", "Copy it from API keys.")
    else:
        yield Finding("instance")


def _key_server() -> Finding:
    """See that tokens can be verified, and that the keys are those of our own instance."""
    if settings.CLERK_JWT_KEY:
        return Finding("keys of CLERK_JWT_KEY")
    try:
        found = jwks.fetch()
    except (jwks.KeysUnavailable, httpx.HTTPError, ValueError) as error:
        why = str(error).partition("\n")[0] or "no key says where it is."
        return Finding("key server", f"It cannot be asked: {why}", "Check CLERK_SECRET_KEY, or set CLERK_JWT_KEY.")
    if not found:
        return Finding("key server", "It has no RSA key.", "Check CLERK_FRONTEND_API_URL and CLERK_API_URL.")
    if settings.CLERK_INSTANCE_ID and settings.CLERK_INSTANCE_ID not in found:
        return Finding(
            "key server",
            f"Its keys are of {', '.join(sorted(found))}, and CLERK_INSTANCE_ID is {settings.CLERK_INSTANCE_ID}.",
            "Use the keys and the instance id of one and the same instance.",
        )
    return Finding("key server")


def _clock() -> Finding:
    """Compare our clock with Clerk's, whose tokens are refused when they differ by more than a few seconds."""

    def ask() -> str:
        sent_at = datetime.now(UTC)
        response = httpx.head(settings.CLERK_API_URL, timeout=TIMEOUT_S)  # whatever it answers, it says when
        off_s = abs((parsedate_to_datetime(response.headers["Date"]) - sent_at).total_seconds())
        # The header counts whole seconds, and the way takes time.
        return f"It differs from Clerk's by {off_s:.0f} s." if off_s > tokens.SKEW_S + 2 else ""

    return _asked("clock", ask, "Let NTP set the clock of this machine.")


def _backend_api() -> Finding:
    if not settings.CLERK_SECRET_KEY:
        return Finding(
            "Backend API", "CLERK_SECRET_KEY is not set, so nothing can be fetched.", "Copy it from API keys."
        )

    def ask() -> str:
        headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"}
        response = httpx.get(f"{settings.CLERK_API_URL}/v1/jwks", headers=headers, timeout=TIMEOUT_S)
        if not response.is_success:
            return f"Clerk answers {response.status_code} to CLERK_SECRET_KEY."
        try:
            instance_guard.check_key_set(response.json())
        except ClerkApiError as error:
            return str(error)
        return ""

    return _asked(
        "Backend API", ask, "Copy CLERK_SECRET_KEY anew; it has to be of the instance of the publishable key."
    )


def _worker() -> Finding:
    if ProcrastinateWorker.objects.filter(last_heartbeat__gt=timezone.now() - SILENCE).exists():
        return Finding("queue worker")
    return Finding("queue worker", "None has been heard of for a minute.", "Start manage.py procrastinate worker.")


def _webhook(url: str) -> Finding:
    """Knock without a signature, which the endpoint, and nobody else, refuses in its own words."""

    def ask() -> str:
        response = httpx.post(url, content=b"{}", timeout=TIMEOUT_S)
        if response.status_code == 400 and "missing_headers" in response.text:
            return ""
        return f"{url} answers {response.status_code}, and not as the webhook endpoint does."

    advice = "Svix follows no redirect: register the final address, with https and without www or a slash too many."
    return _asked("webhook endpoint", ask, advice)


def _asked(subject: str, ask: Callable[[], str], advice: str) -> Finding:
    """Return what `ask` found, or that there was no answer."""
    try:
        problem = ask()
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
        return Finding(subject, f"There was no usable answer: {error!r}", "Check the address, and the way to it.")
    return Finding(subject, problem, advice if problem else "")
