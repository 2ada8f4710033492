"""Checks that compare the hosts of the site, and that report a copy which is not the live site."""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from accounts.clerk.diagnostics import Finding, skipped
from webhooks.models import HostReport

#: A process reports every minute. Older reports belong to processes that have stopped.
RUNNING = timedelta(minutes=3)
#: Hosts may differ for this long, because they are upgraded or restarted one after the other.
GRACE = timedelta(minutes=30)
MAX_NAMES = 5
ADVICE = (
    "Finish the upgrade, or set the same values on all hosts and restart their processes. Only BIND, WEB_CONCURRENCY and the "
    "addresses of the database may differ."
)
NOT_LIVE = (
    "LIVE_SITE is off, as on a restored copy: no email and no alerts are sent, nothing is changed at Clerk, and no orphaned "
    "images are deleted. Set LIVE_SITE=on if people use this site."
)

#: Processes with the same version and settings.
type Group = list[HostReport]


def check_live_site() -> Finding:
    return Finding(note="LIVE_SITE is on.") if settings.LIVE_SITE else skipped(NOT_LIVE)


def check_hosts() -> Finding:
    """Compare the versions and the settings of all running processes. The largest group is assumed to be right."""
    usual, *rest = _groups()
    if not usual:
        return skipped("No process has reported its version and settings yet.")
    others = [group for group in rest if _differences(usual, group)]
    if not others:
        return Finding(note=f"{_names(usual)}: version {_version(usual)}, equal settings.")
    text = " ".join(_sentence(usual, other) for other in others)
    began_at = min(max(_began_at(usual), _began_at(other)) for other in others)
    if timezone.now() - began_at < GRACE:
        return Finding(note=f"{text} This is normal during an upgrade. It is reported as a problem after 30 minutes.")
    return Finding(text, ADVICE)


def _groups() -> list[Group]:
    """Return the groups, the largest first. There is always a first one, which can be empty."""
    groups: dict[str, Group] = defaultdict(list)
    for report in HostReport.objects.filter(seen_at__gt=Now() - RUNNING).order_by("host", "kind"):
        groups[f"{report.version} {sorted(report.digests.items())}"].append(report)
    return sorted(groups.values(), key=lambda group: (-len(group), _began_at(group))) or [[]]


def _began_at(group: Group) -> datetime:
    """Return when the first process of a group started with this version and these settings."""
    return min(report.changed_at for report in group)


def _sentence(usual: Group, other: Group) -> str:
    """Return one sentence that names the hosts, their versions, and the settings that differ."""
    verb = "differs" if len(other) == 1 else "differ"
    return f"{_names(other)} {verb} from {_names(usual)}: {' and '.join(_differences(usual, other))}."


def _differences(usual: Group, other: Group) -> list[str]:
    found = [f"version {_version(other)} instead of {_version(usual)}"] if _version(usual) != _version(other) else []
    expected, digests = usual[0].digests, other[0].digests
    # The versions of the code can compare different settings.
    names = sorted(name for name in expected.keys() & digests.keys() if expected[name] != digests[name])
    return [*found, *([f"other values of {', '.join(names)}"] if names else [])]


def _names(group: Group) -> str:
    names, rest = [str(report) for report in group[:MAX_NAMES]], len(group) - MAX_NAMES
    return ", ".join(names) + (f" and {rest} more" if rest > 0 else "")


def _version(group: Group) -> str:
    return group[0].version or "unknown"
