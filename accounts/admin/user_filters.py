"""User list filters: role, state and last event."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.extensions import extensions
from accounts.models import IdentityConflict, Reconciliation, User
from audit.admin.filters import parse_user_id

#: Users count as drifted for this long after a comparison found a difference.
DRIFT_PERIOD = timedelta(days=7)
#: Maximum number of reports to search, newest first. Each report has at most 200 examples.
MAX_REPORTS = 100
type Users = QuerySet[User]


def drifted_ids() -> set[str]:
    """Return the Clerk IDs of users with recently reported differences, including repaired ones."""
    recent = Reconciliation.objects.filter(started_at__gt=timezone.now() - DRIFT_PERIOD).exclude(examples=[])
    examples = recent.values_list("examples", flat=True)[:MAX_REPORTS]
    return {str(example.get("clerk_id")) for found in examples for example in found}


def _in_conflict(users: Users) -> Users:
    waiting = IdentityConflict.objects.waiting()
    return users.filter(Exists(waiting.filter(Q(user=OuterRef("pk")) | Q(other=OuterRef("pk")))))


STATES: dict[str, tuple[StrOrPromise, Callable[[Users], Users]]] = {
    "active": (_("Active"), lambda users: users.filter(is_active=True)),
    "banned": (_("Banned"), lambda users: users.filter(banned=True)),
    "locked": (_("Locked"), lambda users: users.filter(locked=True, deleted_at__isnull=True)),
    "deleted": (_("Deleted"), lambda users: users.filter(deleted_at__isnull=False)),
    "moved": (
        _("Inactive after a join"),
        lambda users: users.filter(is_active=False, banned=False, deleted_at__isnull=True),
    ),
    "provisional": (
        _("Provisional, waiting for Clerk’s data"),
        lambda users: users.filter(clerk_id__isnull=False, clerk_version="", deleted_at__isnull=True),
    ),
    "drifted": (_("Differed from Clerk within 7 days"), lambda users: users.filter(clerk_id__in=drifted_ids())),
    "conflict": (_("In an open conflict"), _in_conflict),
    "operator": (_("Local operator"), lambda users: users.filter(is_superuser=True)),
}


class RoleFilter(admin.SimpleListFilter):
    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [*User.Role.choices, ("none", _("None"))]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        value = self.value()
        if value in User.Role.values:
            return queryset.filter(roles__contains=[value])
        return queryset.filter(roles=[]) if value == "none" else queryset


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [(name, label) for name, (label, _select) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        value = self.value() or ""
        return STATES[value][1](queryset) if value in STATES else queryset


class ReportFilter(admin.SimpleListFilter):
    """Select the users that a reconciliation report names."""

    title = _("reconciliation report")
    parameter_name = "report"
    is_set_by_links = True

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        """Return the chosen report only."""
        report = self._report()
        return [(str(report.pk), str(report))] if report else []

    def has_output(self) -> bool:
        return self.value() is not None

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        if self.value() is None:
            return queryset
        report = self._report()
        ids = [example["clerk_id"] for example in report.examples] if report else []
        return queryset.filter(clerk_id__in=ids)

    def _report(self) -> Reconciliation | None:
        key = parse_user_id(self.value() or "")
        return Reconciliation.objects.filter(pk=key).first() if key is not None else None


class LastEventFilter(admin.SimpleListFilter):
    """Filter by the time of the user's last webhook event. The webhooks app provides the condition."""

    title = _("last event")
    parameter_name = "last_event"
    PERIODS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [
            ("24h", _("Within 24 hours")),
            ("7d", _("Within 7 days")),
            ("30d", _("Within 30 days")),
            ("older", _("Not within 30 days")),
            ("never", _("Never")),
        ]

    def queryset(self, request: HttpRequest, queryset: Users) -> Users:
        value, now, has_event = self.value() or "", timezone.now(), extensions.has_event_since
        if value in self.PERIODS:
            return queryset.filter(has_event(now - self.PERIODS[value]))
        from_clerk = queryset.filter(clerk_id__isnull=False)
        if value == "never":
            return from_clerk.filter(~has_event(None))
        return from_clerk.filter(~has_event(now - self.PERIODS["30d"])) if value == "older" else queryset
