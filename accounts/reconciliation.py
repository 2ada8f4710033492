"""Find what webhooks have not told, and heal it: people missing here, missing at Clerk, or stale here.

Clerk says of its webhooks that they are "not guaranteed to be delivered immediately or at all", so a system that only
listens drifts. Everything is applied by `accounts.sync.apply`, like an event.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import transaction

from accounts import sync
from accounts.clerk import api
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import User
from audit.log import Origin
from audit.models import AuditLog

ORIGIN = Origin(AuditLog.Source.COMMAND)
#: More deletions than this at once, and than one in twenty, are not believed: the key may be another instance's.
MOST_GONE = 10


@dataclass(slots=True)
class Report:
    """What a reconciliation found.

    Attributes:
        missing, stale: Clerk ids of people who were not known here, or known otherwise.
        gone: Clerk ids of people who are deleted at Clerk; if distrusted, who was not in the listing.
        unreadable: people at Clerk whose shape is unknown, with the reason; nothing was done about them.
        distrusted: whether so many were not in the listing that nobody was deleted.
    """

    seen: int = 0
    missing: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    distrusted: bool = False


def reconcile(*, dry_run: bool = False) -> Report:
    """Compare everybody with Clerk, and apply what differs unless `dry_run`.

    Raises:
        ClerkApiError: the listing broke off. What was healed until then stays; nobody was deleted.
    """
    report, listed = Report(), set[str]()
    for page in _pages():
        report.seen += len(page.users) + len(page.unreadable)
        report.unreadable += page.unreadable
        listed |= {user.clerk_id for user in page.users} | {clerk_id for clerk_id, _ in page.unreadable}
        for payload in _news(page.users, report):
            _apply(payload, dry_run=dry_run)
    _bury(_unlisted(listed), report, dry_run=dry_run)
    return report


def reconcile_user(clerk_id: str, *, dry_run: bool = False) -> Report:
    """Compare one person with Clerk, and apply what differs unless `dry_run`.

    Raises:
        ClerkApiError: Clerk gives no usable answer.
    """
    report, payload = Report(seen=1), api.get_user(clerk_id)
    if isinstance(payload, ClerkUserDeleted):
        report.gone = [clerk_id] if User.objects.live().filter(clerk_id=clerk_id).exists() else []
        found: list[ClerkUser | ClerkUserDeleted] = [payload] if report.gone else []
    else:
        found = [*_news([payload], report)]
    for subject in found:
        _apply(subject, dry_run=dry_run)
    return report


def _pages() -> Iterator[api.UserPage]:
    page = api.list_users()
    yield page
    while page.last_id:
        page = api.list_users(page.last_id)
        yield page


def _news(payloads: list[ClerkUser], report: Report) -> list[ClerkUser]:
    """Return who differs from what is known here, which one statement tells, and note it in the report."""
    known = {user.clerk_id: user for user in User.objects.filter(clerk_id__in=[p.clerk_id for p in payloads])}
    missing = [payload for payload in payloads if payload.clerk_id not in known]
    stale = [p for p in payloads if p.clerk_id in known and sync.is_news(p, known[p.clerk_id])]
    report.missing += [payload.clerk_id for payload in missing]
    report.stale += [payload.clerk_id for payload in stale]
    return missing + stale


def _unlisted(listed: set[str]) -> list[str]:
    """Return who is alive here and was not in the listing."""
    ids = User.objects.live().filter(clerk_id__isnull=False).values_list("clerk_id", flat=True)
    return [str(clerk_id) for clerk_id in ids.iterator() if clerk_id not in listed]


def _bury(unlisted: list[str], report: Report, *, dry_run: bool) -> None:
    """Delete who Clerk, asked for each of them, knows no more; nobody, if that were too many to be true."""
    report.distrusted = bool(unlisted) and len(unlisted) > min(report.seen, max(MOST_GONE, report.seen // 20))
    if report.distrusted:
        report.gone = unlisted
        return
    for clerk_id in unlisted:
        payload = api.get_user(clerk_id)
        if isinstance(payload, ClerkUserDeleted):
            report.gone.append(clerk_id)
            _apply(payload, dry_run=dry_run)


def _apply(payload: ClerkUser | ClerkUserDeleted, *, dry_run: bool) -> None:
    if dry_run:
        return
    with transaction.atomic():
        sync.apply(payload, origin=ORIGIN)
