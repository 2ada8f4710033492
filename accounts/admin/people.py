"""People and sessions in the Django admin. Clerk owns most of what is shown here, so it is changed there."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts import roles
from accounts.forms import RoleChangesForm
from accounts.models import DataExport, EndedSession, MetadataPush, User
from accounts.role_changes import change_roles
from accounts.sync import push as pushes
from audit.log import Origin
from core.admin.read_only import ReadOnlyAdmin


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People known to Clerk, tombstones of them, and local operators."""

    change_form_template = "admin/accounts/user/change_form.html"
    list_display = ("display_name", "email", "roles", "is_active", "created_at")
    list_filter = ("is_active", "banned", "is_superuser")
    search_fields = ("=clerk_id", "^email", "^username", "^name")
    actions = ("change_roles",)
    fields = (
        *("name", "username", "email", "email_verified_at", "roles", "clerk_id"),
        *("is_active", "banned", "deleted_at", "login", "is_superuser", "last_login"),
        *("clerk_roles", "roles_added", "roles_removed", "clerk_metadata", "clerk_updated_at", "created_at"),
        *("deletion_due_at", "erased_at"),
    )

    @admin.action(description=_("Change roles of selected people"))
    def change_roles(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask which roles to give and to take, then do it."""
        form = RoleChangesForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            self._change_roles(request, queryset, form)
            return None
        title = gettext("Change roles")
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return render(request, "admin/accounts/user/change_roles.html", context | {"people": queryset, "form": form})

    def _change_roles(self, request: HttpRequest, people: QuerySet[User], form: RoleChangesForm) -> None:
        """Change what may be changed, and say of everybody else why not."""
        origin, changed = Origin.from_request(request), 0
        for person in people:
            try:
                changed += bool(change_roles(person, actor=request.user, origin=origin, **form.changes))  # type: ignore[arg-type]
            except roles.RoleChangeError as error:
                self.message_user(request, f"{person}: {error}", messages.ERROR)
        told = ngettext("The roles of %d person were changed.", "The roles of %d people were changed.", changed)
        self.message_user(request, told % changed, messages.SUCCESS if changed else messages.INFO)


@admin.register(MetadataPush)
class MetadataPushAdmin(ReadOnlyAdmin):
    """What waits to be brought to Clerk, and what became of it."""

    list_display = ("user", "state", "requested_at", "next_attempt_at", "attempts", "last_error")
    list_filter = ("state",)
    list_select_related = ("user",)
    search_fields = ("=user__clerk_id", "^user__email")
    actions = ("push_again",)

    @admin.action(description=_("Bring selected to Clerk once more"))
    def push_again(self, request: HttpRequest, queryset: QuerySet[MetadataPush]) -> None:
        """Let stopped and refused pushes begin anew, and waiting ones not wait any longer."""
        count = sum(pushes.restart(push.user_id) for push in queryset)
        told = ngettext("%d push begins anew.", "%d pushes begin anew.", count)
        self.message_user(request, told % count, messages.SUCCESS)


@admin.register(DataExport)
class DataExportAdmin(ReadOnlyAdmin):
    """Who asked for their data, and until when it can be had; what is in it is theirs alone."""

    list_display = ("user", "requested_at", "ready_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("=user__clerk_id",)
    exclude = ("archive",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataExport]:
        """Leave out what is in them: a page of a hundred would fetch a hundred archives."""
        return super().get_queryset(request).defer("archive")


@admin.register(EndedSession)
class EndedSessionAdmin(ReadOnlyAdmin):
    """Sessions whose tokens are refused although they have not expired."""

    list_display = ("session_id", "clerk_id", "ended_at")
    search_fields = ("=session_id", "=clerk_id")
