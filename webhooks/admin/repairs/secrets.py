"""The page for rotating the webhook secret. It shows positions and fingerprints, never secrets."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from webhooks.admin.events.actions import can_repair
from webhooks.admin.pages import operators_page
from webhooks.inbox import signatures
from webhooks.models import RejectedRequest, SecretCount
from webhooks.models.counts import SECRET_RETENTION

#: Svix's last retry arrives about 28 hours after the first attempt, and each delay can be 20% longer.
QUIET_PERIOD = timedelta(hours=34)


class SecretRow(NamedTuple):
    """A secret and its deliveries.

    Attributes:
        position: the position in CLERK_WEBHOOK_SECRET, or None if the secret has been removed.
        can_be_removed: whether another secret receives deliveries and no more retries signed with this secret can
            arrive.
    """

    position: int | None
    fingerprint: str
    day: int
    week: int
    last_at: datetime | None
    can_be_removed: bool

    @property
    def is_active(self) -> bool:
        return self.last_at is not None and self.last_at > timezone.now() - QUIET_PERIOD


@operators_page
@require_safe
def secrets(request: HttpRequest) -> HttpResponse:
    if not can_repair(request):
        raise PermissionDenied
    rows = list_secrets(timezone.now())
    configured = [row for row in rows if row.position]
    context = {
        "title": _("Rotate the webhook secret"),
        "rows": rows,
        "rejected": count_rejected(configured, timezone.now()),
        "is_rotating": len(configured) > 1,
        "removable": [row for row in configured if row.can_be_removed],
        "active": [row for row in configured if row.is_active],
        "unused": [row for row in configured if row.last_at is None],
        "quiet_hours": QUIET_PERIOD // timedelta(hours=1),
        "retention_days": SECRET_RETENTION.days,
    }
    return render(request, "admin/webhooks/secrets.html", admin.site.each_context(request) | context)


def list_secrets(now: datetime) -> list[SecretRow]:
    """Return the configured secrets in order, followed by removed secrets that have received deliveries."""
    counts = {row["fingerprint"]: row for row in _counts(now)}
    configured = list(dict.fromkeys(map(signatures.fingerprint, settings.CLERK_WEBHOOK_SECRETS)))
    latest = {name: row["last_at"] for name, row in counts.items()}
    rows = []
    for name in [*configured, *sorted(counts.keys() - set(configured))]:
        last_at, position = latest.get(name), configured.index(name) + 1 if name in configured else None
        others = [latest[other] for other in configured if other != name and other in latest]
        is_quiet = last_at is not None and last_at < now - QUIET_PERIOD
        can_be_removed = is_quiet and any(other > now - QUIET_PERIOD for other in others)
        found: dict[str, Any] = counts.get(name, {})
        rows.append(
            SecretRow(position, name[:6], found.get("day") or 0, found.get("week") or 0, last_at, can_be_removed)
        )
    return rows


def count_rejected(configured: list[SecretRow], now: datetime) -> int:
    """Return the kept requests that were rejected for their signature since the last accepted delivery."""
    since = max([now - QUIET_PERIOD, *(row.last_at for row in configured if row.last_at)])
    return RejectedRequest.objects.filter(cause="bad_signature", at__gt=since).count()


def _counts(now: datetime) -> list[dict[str, Any]]:
    recent = SecretCount.objects.filter(hour__gt=now - SECRET_RETENTION).values("fingerprint")
    counted = recent.annotate(
        day=Sum("deliveries", filter=Q(hour__gt=now - timedelta(days=1))),
        week=Sum("deliveries", filter=Q(hour__gt=now - timedelta(days=7))),
        last_at=Max("last_at"),
    )
    return [dict(row) for row in counted.order_by("fingerprint")]
