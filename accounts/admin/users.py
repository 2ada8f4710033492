"""Django admin pages for users and related records. They are mostly read-only, because Clerk owns most of the data."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.admin.access import may_repair
from accounts.admin.access_page import AccessPageMixin
from accounts.admin.access_runs import AccessActionsMixin
from accounts.admin.notes import NotesMixin, recent_notes
from accounts.admin.roles_page import RolesPageMixin
from accounts.admin.user_filters import LastEventFilter, ReportFilter, RoleFilter, StateFilter
from accounts.extensions import extensions
from accounts.models import DataExport, EndedSession, MetadataPush, User
from accounts.roles.forms import RoleChangesForm
from accounts.roles.permissions import RoleChangeError
from accounts.roles.services import change_roles
from accounts.sync import push as pushes
from audit import log
from audit.admin.filters import parse_user_id
from audit.log import Actor
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell

PushState = MetadataPush.State
#: Severity by push state. All other states are bad.
PUSH_LEVELS: dict[str, str] = {PushState.PENDING: "attention", PushState.DONE: "good"}


@admin.register(User)
class UserAdmin(AccessPageMixin, AccessActionsMixin, NotesMixin, RolesPageMixin, ReadOnlyAdmin[User]):
    """Clerk users, tombstones of deleted users, and local operators."""

    change_form_template = "admin/accounts/user/change_form.html"
    list_display = ("display_name", "status", "email", "role_names", "created_at")
    list_filter = (StateFilter, RoleFilter, LastEventFilter, ReportFilter)
    search_fields = ("=clerk_id", "^email", "^username", "^name")
    actions = ("change_roles", "ban", "unban", "sign_out")
    fields = (
        *("name", "username", "email", "email_verified_at", "roles", "clerk_id"),
        *("is_active", "banned", "locked", "deleted_at", "login", "is_superuser", "last_login"),
        *("clerk_roles", "roles_added", "roles_removed", "clerk_metadata", "clerk_updated_at", "created_at"),
        *("deletion_due_at", "erased_at"),
    )

    @admin.display(description=_("status"))
    def status(self, user: User) -> SafeString:
        """Return every reason why the account is inactive, or whether an active account is locked."""
        reasons = ", ".join(str(reason.label) for reason in user.inactive_reasons)
        if user.locked and not reasons:
            return state_cell("attention", gettext("Locked"))
        return state_cell("neutral", reasons, "ignored") if reasons else state_cell("good", gettext("Active"))

    @admin.display(description=_("roles"), ordering="roles")
    def role_names(self, user: User) -> str:
        return ", ".join(map(str, user.role_labels)) or "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {"can_change_access": may_repair(request)}
        if (user_id := parse_user_id(object_id)) is not None:
            context |= {"links": extensions.admin_links(user_id)} | recent_notes(user_id)
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    @admin.action(description=_("Change roles of selected users"))
    def change_roles(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        form = RoleChangesForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            self._change_roles(request, queryset, form)
            return None
        title = gettext("Change roles")
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return render(request, "admin/accounts/user/change_roles.html", context | {"users": queryset, "form": form})

    def _change_roles(self, request: HttpRequest, users: QuerySet[User], form: RoleChangesForm) -> None:
        actor, changed = Actor.from_request(request), 0
        for user in users:
            try:
                changed += bool(change_roles(user, actor=actor, reason=form.cleaned_data["reason"], **form.changes))
            except RoleChangeError as error:
                self.message_user(request, f"{user}: {error}", messages.ERROR)
        message = ngettext("Changed the roles of %d user.", "Changed the roles of %d users.", changed)
        self.message_user(request, message % changed, messages.SUCCESS if changed else messages.INFO)


class PushStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [*PushState.choices, ("given_up", _("Given up"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[MetadataPush]) -> QuerySet[MetadataPush]:
        value = self.value()
        if value == "given_up":
            return queryset.filter(state__in=[PushState.REFUSED, PushState.STOPPED])
        return queryset.filter(state=value) if value in PushState.values else queryset


@admin.register(MetadataPush)
class MetadataPushAdmin(ReadOnlyAdmin[MetadataPush]):
    """The outbox for metadata pushes to Clerk, with one row per user."""

    change_form_template = "admin/accounts/metadatapush/change_form.html"
    list_display = ("user", "status", "requested_at", "next_attempt_at", "attempts", "last_error")
    list_filter = (PushStateFilter,)
    list_select_related = ("user",)
    search_fields = ("=user__clerk_id", "^user__email")
    actions = ("push_again",)

    @admin.display(description=_("state"), ordering="state")
    def status(self, push: MetadataPush) -> SafeString:
        return state_cell(PUSH_LEVELS.get(push.state, "bad"), push.get_state_display())

    @admin.action(description=_("Retry selected pushes"))
    def push_again(self, request: HttpRequest, queryset: QuerySet[MetadataPush]) -> None:
        count = sum(_restart(push, Actor.from_request(request)) for push in queryset)
        message = ngettext("%d push queued again.", "%d pushes queued again.", count)
        self.message_user(request, message % count, messages.SUCCESS)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.retry))
        return [path("<path:object_id>/retry/", view, name="accounts_metadatapush_retry"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        push = self.get_object(request, object_id)
        can_retry = push is not None and push.state != PushState.DONE and may_repair(request)
        return super().change_view(request, object_id, form_url, (extra_context or {}) | {"can_retry": can_retry})

    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        push = self.get_object(request, object_id)
        if push is None:
            raise Http404
        self.push_again(request, MetadataPush.objects.filter(pk=push.pk))
        return redirect("admin:accounts_metadatapush_change", push.pk)


@transaction.atomic
def _restart(push: MetadataPush, actor: Actor) -> bool:
    """Queue a push again, and record the retry in the audit log."""
    log.record(AuditLog.Action.PUSH_RETRIED, actor=actor, target=push.user)
    return pushes.restart(push.user_id)


@admin.register(DataExport)
class DataExportAdmin(ReadOnlyAdmin[DataExport]):
    """Data exports. Admins can see export requests but not the exported data."""

    list_display = ("user", "requested_at", "ready_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("=user__clerk_id",)
    exclude = ("archive",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataExport]:
        """Defer the archives, because a page with a hundred exports would load a hundred files."""
        return super().get_queryset(request).defer("archive")


@admin.register(EndedSession)
class EndedSessionAdmin(ReadOnlyAdmin[EndedSession]):
    """Ended sessions. Their tokens are rejected even before they expire."""

    list_display = ("session_id", "clerk_id", "ended_at")
    search_fields = ("=session_id", "=clerk_id")
