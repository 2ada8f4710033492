"""Send a signed test delivery to this site through its public address, in the same way as Svix."""

import json
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.clerk.jwks import resolve_localhost
from webhooks.inbox import signatures
from webhooks.inbox.handlers import TEST_TYPE
from webhooks.models import Alert

#: Svix gives up after 15 s.
TIMEOUT_S = 15.0
MAX_TEXT_LENGTH = 300
#: The meaning of each refusal and the next action, by error code.
REFUSALS: dict[str, tuple[str | Promise, str | Promise]] = {
    "bad_signature": (
        gettext_lazy("The process that answered uses other secrets than this page, or a proxy changed the body."),
        gettext_lazy("Restart all web servers with the same CLERK_WEBHOOK_SECRET."),
    ),
    "stale_timestamp": (
        gettext_lazy("The clocks of two hosts of this site differ by more than five minutes."),
        gettext_lazy("Synchronize the clocks of all hosts with NTP."),
    ),
    "future_timestamp": (
        gettext_lazy("The clocks of two hosts of this site differ by more than five minutes."),
        gettext_lazy("Synchronize the clocks of all hosts with NTP."),
    ),
    "missing_headers": (
        gettext_lazy("A proxy removed the svix-* headers."),
        gettext_lazy("Configure the proxy to forward all headers of this URL."),
    ),
    "malformed_headers": (
        gettext_lazy("A proxy changed the svix-* headers."),
        gettext_lazy("Configure the proxy to forward the headers of this URL unchanged."),
    ),
    "unreadable_body": (
        gettext_lazy("The body did not arrive completely."),
        gettext_lazy("Check the body size limits and timeouts of the proxy."),
    ),
    "address_not_allowed": (
        gettext_lazy(
            "This server’s own address is not in CLERK_WEBHOOK_ALLOWED_IPS. Deliveries from Svix may still arrive."
        ),
        gettext_lazy("Send a test event from Clerk’s dashboard instead."),
    ),
    "not_configured": (
        gettext_lazy("The process that answered has no valid signing secret."),
        gettext_lazy("Set CLERK_WEBHOOK_SECRET for all web servers, and restart them."),
    ),
    "unavailable": (
        gettext_lazy("The delivery was valid, but the database could not store it."),
        gettext_lazy("Follow the runbook Deliveries are answered with 503."),
    ),
}
#: The same for responses that are not from the endpoint, by status or by its first digit.
STATUSES: dict[int, tuple[str | Promise, str | Promise]] = {
    3: (
        gettext_lazy("The address redirects. Svix does not follow redirects, so every delivery fails."),
        gettext_lazy("Register the final address in Clerk’s dashboard, with https and the exact host name."),
    ),
    403: (
        gettext_lazy("A firewall or proxy refused the request before it reached this site."),
        gettext_lazy("Allow POST requests to this URL without cookies and from all addresses."),
    ),
    404: (
        gettext_lazy("Nothing answers at this address, or the host name belongs to another site."),
        gettext_lazy("Compare SITE_URL and the routes of the proxy."),
    ),
    413: (
        gettext_lazy("A proxy accepts only smaller bodies."),
        gettext_lazy("Allow bodies of 512 kB for this URL."),
    ),
    5: (
        gettext_lazy("The proxy could not reach the application, or the application failed."),
        gettext_lazy("Check whether the web server is running, and read its log."),
    ),
}
#: The runbook for responses that are not from the endpoint.
UNREACHABLE = "unreachable"
OTHER = (gettext_lazy("The response is not from the webhook endpoint."), gettext_lazy("Check the routes of the proxy."))


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a test delivery.

    Attributes:
        status: the status code, or None if there was no response.
        text: the start of the body, or the error.
        meaning: what the answer means.
        advice: the next action, or "" if the delivery was accepted.
        runbook: the runbook to follow, or "" if the delivery was accepted.
    """

    url: str
    svix_id: str
    seconds: float
    status: int | None
    text: str
    meaning: str | Promise
    advice: str | Promise = ""
    runbook: str = ""

    @property
    def is_accepted(self) -> bool:
        return not self.advice


def target_url() -> str:
    return settings.SITE_URL + reverse("webhooks:receive")


def send(secret: str) -> Answer:
    """Sign and post a test event. The URL comes only from the settings, and redirects are not followed.

    Raises:
        signatures.NotConfigured: the secret is not a signing secret.
    """
    url, svix_id, body = target_url(), f"msg_test{uuid4().hex}", json.dumps(_envelope())
    headers = signatures.sign(body, secret, svix_id=svix_id)
    headers |= {"Content-Type": "application/json", "User-Agent": "Buildappswith test delivery"}
    started = monotonic()
    try:
        response = httpx.post(
            resolve_localhost(url), content=body, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        status, text, explanation = None, str(error) or type(error).__name__, (*_no_response(error), UNREACHABLE)
    else:
        status, text, explanation = response.status_code, response.text[:MAX_TEXT_LENGTH], _explain(response)
    return Answer(url, svix_id, monotonic() - started, status, text, *explanation)


def _envelope() -> dict[str, Any]:
    return {
        "data": {},
        "object": "event",
        "type": TEST_TYPE,
        "timestamp": int(timezone.now().timestamp() * 1000),
        "instance_id": settings.CLERK_INSTANCE_ID,
    }


def _explain(response: httpx.Response) -> tuple[str | Promise, str | Promise, str]:
    """Return the meaning of a response, the next action, and the runbook."""
    status, body = response.status_code, _json(response)
    if status == 200 and body.get("outcome"):
        return (
            _(
                "This checks the address and the proxy. It cannot show whether the secret is the one in Clerk’s dashboard."
            ),
            "",
            "",
        )
    code = str(body.get("error"))
    if code in REFUSALS:
        return *REFUSALS[code], Alert.Rule.UNAVAILABLE if code == "unavailable" else Alert.Rule.REJECTED
    return *(STATUSES.get(status) or STATUSES.get(status // 100) or OTHER), UNREACHABLE


def _no_response(error: Exception) -> tuple[str | Promise, str | Promise]:
    if isinstance(error, httpx.TimeoutException):
        return _("Nothing answered within 15 seconds. Svix gives up after this time too."), _(
            "Check the firewall and the load of the web servers."
        )
    return _("There was no connection. Some networks cannot reach their own public address."), _(
        "Check the DNS record, the certificate and the firewall, or send a test event from Clerk’s dashboard."
    )


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
