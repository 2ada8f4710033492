"""Django admin pages for the emails to users."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.models import Notification
from accounts.notifications.kinds import kinds
from core.admin.keyset import KeysetAdmin
from core.admin.state_cells import state_cell

State = Notification.State
LEVELS: dict[str, tuple[str, str]] = {
    State.PENDING: ("attention", ""),
    State.SENT: ("good", ""),
    State.SKIPPED: ("neutral", "ignored"),
    State.REFUSED: ("bad", ""),
}


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = _("kind"), "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [(kind.key, kind.label) for kind in kinds.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() in kinds else queryset


@admin.register(Notification)
class NotificationAdmin(KeysetAdmin[Notification]):
    """Emails to users, without their content."""

    list_display = ("created_at", "status", "user", "kind_label", "result")
    list_filter = ("state", KindFilter)
    help_if_empty = _(
        "Emails to users appear here as soon as they are queued, for example when a builder gets a message. To check the "
        "mail server before that, run manage.py sendtestemail with your address."
    )
    list_select_related = ("user",)
    search_fields = ("=user__clerk_id", "=cause")
    fields = ("user", "kind", "cause", "state", "result", "created_at", "queued_at", "finished_at")

    @admin.display(description=_("state"))
    def status(self, notification: Notification) -> SafeString:
        return state_cell(*_cell(State(notification.state)))

    @admin.display(description=_("kind"))
    def kind_label(self, notification: Notification) -> str:
        kind = kinds.get(notification.kind)
        return str(kind.label) if kind else notification.kind


def _cell(state: Notification.State) -> tuple[str, StrOrPromise, str]:
    level, icon = LEVELS[state]
    return level, state.label, icon
