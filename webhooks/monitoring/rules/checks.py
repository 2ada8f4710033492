"""The rule about the checks of webhooks.doctor that no other rule covers, such as certificates and mail."""

from datetime import timedelta

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.times import MAX_AHEAD
from webhooks.models import CheckResult
from webhooks.monitoring.health import Health
from webhooks.monitoring.signals import WELL, Signal, broken, combine, degraded, unknown, well

#: Results that are older are ignored. The checks run every 15 minutes.
MAX_AGE = timedelta(hours=1)
#: Failures of these checks affect users. Failures of the other checks need a review.
SERIOUS = (
    "hosts",
    "instance",
    "key_server",
    "frontend_dns",
    "frontend_certificate",
    "own_certificate",
    "mail",
    "media",
    "archiving",
)
MINOR = ("settings", "own_endpoint", "pooler")
#: An expiring certificate affects users soon.
EXPIRES_SOON = timedelta(days=3)


def diagnostics(health: Health) -> Signal:
    """Check the latest results of the checks, which a worker runs, and the notification channels."""
    return combine(health, _serious_failures, _failing_channels, _minor_failures)


def _serious_failures(health: Health) -> Signal:
    serious = [result for result in _failed(health) if _is_serious(result, health)]
    names = [result.name for result in serious]
    return broken(_summary(serious), len(serious), {"checks": ", ".join(names)}, causes=names) if serious else WELL


def _failing_channels(health: Health) -> Signal:
    if not health.failing_channels:
        return WELL
    text = _("These notification channels are failing: %s. Correct ALERT_URLS or the channel, and send a test.")
    return degraded(_("A notification channel fails"), text % ", ".join(health.failing_channels))


def _minor_failures(health: Health) -> Signal:
    results, minor = _results(health), [result for result in _failed(health) if not _is_serious(result, health)]
    if minor:
        return degraded(_("A diagnostic check needs a review"), _summary(minor))
    if not results:
        return unknown(_("The diagnostic checks have not run within the last hour"))
    text = ngettext("%d diagnostic check passed.", "%d diagnostic checks passed.", len(results))
    return well(text % len(results))


def _results(health: Health) -> list[CheckResult]:
    return [recent for name in (*SERIOUS, *MINOR) if (recent := result_of(health, name))]


def _failed(health: Health) -> list[CheckResult]:
    return [result for result in _results(health) if result.state == CheckResult.State.FAILED]


def result_of(health: Health, name: str) -> CheckResult | None:
    """Return the latest result of a check, unless it is too old or from the future."""
    result = health.checks.get(name)
    return result if result and -MAX_AHEAD < health.at - result.checked_at < MAX_AGE else None


def _is_serious(result: CheckResult, health: Health) -> bool:
    expires_at = parse_datetime(result.facts.get("expires_at", ""))
    return result.name in SERIOUS and (expires_at is None or expires_at - health.at < EXPIRES_SOON)


def _summary(results: list[CheckResult]) -> str:
    return " ".join(result.summary for result in results)
