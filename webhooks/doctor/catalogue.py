"""The list of checks, which `manage.py clerk_doctor` and the page Diagnostics share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.clerk import diagnostics
from accounts.clerk.diagnostics import Finding
from webhooks.doctor import hosts, state, surroundings

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        in_thread: whether the check runs in a thread, because the network can delay it longer than its timeouts. Checks that
            use the database run in the calling thread.
        every: how often a worker runs the check.
        is_last: whether the check uses the results of the other checks, so that it runs after they are stored.
        runbook: the runbook to follow if the check fails, or "" if the advice is complete.
    """

    label: str | Promise
    run: Callable[[], Finding]
    in_thread: bool = True
    every: timedelta = QUARTER
    runbook: str = "diagnostics"
    is_last: bool = False


def check_own_endpoint() -> Finding:
    return diagnostics.check_endpoint(settings.SITE_URL + reverse("webhooks:receive"))


def check_own_certificate() -> Finding:
    return diagnostics.check_certificate(settings.SITE_URL, "Renew the certificate of this site, and reload the proxy.")


#: The checks by name, in the order in which one depends on the other.
CHECKS: dict[str, Check] = {
    "settings": Check(_("Settings"), diagnostics.check_settings, in_thread=False),
    "live_site": Check(_("Live site"), hosts.check_live_site, in_thread=False, runbook=""),
    "hosts": Check(_("Versions and settings of all hosts"), hosts.check_hosts, in_thread=False, every=MINUTE),
    "instance": Check(_("Clerk instance"), diagnostics.check_instance),
    "key_server": Check(_("Public keys"), diagnostics.check_key_server, runbook="clerk_outage"),
    "clerk_api": Check(_("Reading Clerk’s users"), diagnostics.check_api, every=MINUTE, runbook="clerk_outage"),
    "breaker": Check(
        _("Requests to Clerk"), state.check_breaker, in_thread=False, every=MINUTE, runbook="clerk_outage"
    ),
    "pushes": Check(_("Pushes to Clerk"), state.check_pushes, in_thread=False, every=MINUTE, runbook="pending_pushes"),
    "clerk_clock": Check(_("Clock, compared with Clerk"), diagnostics.check_clock, every=MINUTE, runbook="clock"),
    "delivery_clock": Check(
        _("Clock, compared with deliveries"),
        state.check_delivery_clock,
        in_thread=False,
        every=MINUTE,
        runbook="clock",
    ),
    "frontend_dns": Check(_("Address of the Frontend API"), diagnostics.check_frontend_dns, runbook="clerk_outage"),
    "frontend_certificate": Check(_("Certificate of the Frontend API"), diagnostics.check_frontend_certificate),
    "own_endpoint": Check(_("Webhook endpoint"), check_own_endpoint, runbook="silence"),
    "own_certificate": Check(_("Certificate of this site"), check_own_certificate),
    "mail": Check(_("Mail server"), surroundings.check_mail),
    "security_contact": Check("security.txt", surroundings.check_security_contact, in_thread=False, runbook=""),
    "legal_texts": Check(_("Legal texts"), state.check_legal_texts, in_thread=False, runbook=""),
    "media": Check(_("Image storage"), surroundings.check_media, runbook="disk_space"),
    "disk": Check(_("Free disk space"), surroundings.check_disk, every=MINUTE, runbook="disk_space"),
    "pooler": Check(_("Database connection"), state.check_pooler, in_thread=False),
    "archiving": Check(_("Archive of the database’s log"), state.check_archiving, in_thread=False),
    "signals": Check(_("Health signals"), state.check_signals, in_thread=False, every=MINUTE, runbook="", is_last=True),
}
