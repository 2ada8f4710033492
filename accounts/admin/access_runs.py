"""Bulk actions on the user list that change the users' access in Clerk: a preview, and a page with Clerk's answers."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_htmx.http import HttpResponseClientRefresh

from accounts.admin.access import may_repair
from accounts.admin.access_page import NO_KEY
from accounts.models import AccessRun, User
from accounts.sessions import access_runs
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.forms import LineField

Change, State = AccessRun.Change, AccessRun.State
EFFECTS = {
    Change.BAN: gettext_lazy("Will be banned and signed out"),
    Change.UNBAN: gettext_lazy("The ban will be removed"),
    Change.SIGN_OUT: gettext_lazy("All active sessions will end"),
}


class ReasonForm(forms.Form):
    reason = LineField(
        max_length=500, label=gettext_lazy("Reason"), widget=forms.TextInput(attrs={"size": 40, "autocomplete": "off"})
    )


class AccessActionsMixin(admin.ModelAdmin[User]):
    """Add the actions. Each one shows a preview first."""

    def has_repair_permission(self, request: HttpRequest) -> bool:
        return may_repair(request)

    @admin.action(description=gettext_lazy("Ban selected users…"), permissions=["repair"])
    def ban(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self._change_access(request, queryset, Change.BAN)

    @admin.action(description=gettext_lazy("Remove the bans of selected users…"), permissions=["repair"])
    def unban(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self._change_access(request, queryset, Change.UNBAN)

    @admin.action(description=gettext_lazy("Sign out selected users everywhere…"), permissions=["repair"])
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self._change_access(request, queryset, Change.SIGN_OUT)

    def _change_access(
        self, request: HttpRequest, users: QuerySet[User], change: AccessRun.Change
    ) -> HttpResponse | None:
        found = list(users.order_by("pk")[: access_runs.MAX_USERS + 1])
        if len(found) > access_runs.MAX_USERS:
            message = _("Nothing was changed. Select at most %d users.") % access_runs.MAX_USERS
            self.message_user(request, message, messages.ERROR)
            return None
        actor = Actor.from_request(request)
        rows = [(user, access_runs.why_unchanged(user, change, actor.user)) for user in found]
        chosen = [user for user, obstacle in rows if not obstacle]
        form = ReasonForm(request.POST if "confirmed" in request.POST else None, label_suffix="")
        if form.is_valid() and chosen:
            if settings.CLERK_SECRET_KEY:
                run = access_runs.start(chosen, change, reason=form.cleaned_data["reason"], actor=actor)
                return redirect("admin:accounts_accessrun_change", run.pk)
            form.add_error(None, NO_KEY)
        context = {"title": change.label, "opts": self.opts, "rows": rows, "number": len(chosen), "form": form}
        context |= {"effect": EFFECTS[change], "action": change.value}
        return render(
            request, "admin/accounts/user/change_access.html", self.admin_site.each_context(request) | context
        )


@admin.register(AccessRun)
class AccessRunAdmin(ReadOnlyAdmin[AccessRun]):
    """Runs of these actions, with Clerk's answer for each user."""

    list_display = ("created_at", "status", "change", "requested_by", "changed", "total")
    list_filter = ("change", "state")
    help_if_empty = gettext_lazy(
        "Bans and sign-outs of several users appear here. To start one, select users in the list of users, and choose an "
        "action."
    )
    list_select_related = ("requested_by",)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def status(self, run: AccessRun) -> SafeString:
        if run.state == State.RUNNING:
            return state_cell("neutral", run.get_state_display(), "unknown")
        return state_cell("good" if run.changed == run.total else "bad", run.get_state_display())

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/progress/", wrap(self.progress), name="accounts_accessrun_progress"),
            path("<path:object_id>/retry/", wrap(post_only(self.retry)), name="accounts_accessrun_retry"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the run instead of Django's form. Django handles other methods and missing permissions."""
        run = self.get_object(request, object_id)
        if run is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, run):
            return super().change_view(request, object_id, form_url, extra_context)
        users = User.objects.filter(pk__in=run.user_ids).order_by("pk")
        is_running = run.state == State.RUNNING
        context = {"title": str(run), "opts": self.opts, "run": run, "is_running": is_running}
        context |= {"rows": [(user, run.result_of(user.pk)) for user in users]}
        context |= {"can_retry": not is_running and run.changed < run.total and may_repair(request)}
        context = self.admin_site.each_context(request) | context
        return TemplateResponse(request, "admin/accounts/accessrun/detail.html", context)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the progress, which the page polls. Reload the page once the run has ended."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self._run(request, object_id)
        if run.state != State.RUNNING:
            return HttpResponseClientRefresh()
        return render(request, "admin/accounts/accessrun/_progress.html", {"run": run})

    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        run = self._run(request, object_id)
        if not access_runs.try_again(run):
            messages.info(request, _("Nothing was done, because all users were changed, or the run has not ended yet."))
        return redirect("admin:accounts_accessrun_change", run.pk)

    def _run(self, request: HttpRequest, object_id: str) -> AccessRun:
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        return run
