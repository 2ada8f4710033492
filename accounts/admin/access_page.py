"""Admin page for a user's access: bans, locks and sessions, all of which Clerk owns."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin.access import may_repair
from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.models import User
from accounts.sessions.access import AccessError, Change, change_access
from audit.log import Actor
from core.forms import LineField

NO_KEY = gettext_lazy(
    "Clerk cannot be reached, because CLERK_SECRET_KEY is not set. Set it, and restart all processes."
)


class AccessForm(forms.Form):
    """A change and its reason. The button of a session submits the session's ID instead of a change."""

    change = forms.ChoiceField(choices=[(change, change) for change in Change], required=False)
    session = LineField(max_length=64, required=False)
    reason = LineField(max_length=500, label=gettext_lazy("Reason"), widget=forms.TextInput(attrs={"size": 40}))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("session"):
            values["change"] = Change.END_SESSION
        elif not values.get("change"):
            raise forms.ValidationError(_("Choose a change."))
        return values


class AccessPageMixin(admin.ModelAdmin[User]):
    """Add the page. Every request checks the permission again."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.access)
        return [path("<path:object_id>/access/", view, name="accounts_user_access"), *super().get_urls()]

    def access(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        form = AccessForm(request.POST if request.method == "POST" else None, label_suffix="")
        if form.is_valid() and _change(request, user, form.cleaned_data):
            return redirect("admin:accounts_user_access", user.pk)
        context = {"title": _("Access"), "person": user, "opts": self.opts, "form": form}
        context |= _sessions(request, user)
        return render(request, "admin/accounts/user/access.html", self.admin_site.each_context(request) | context)


def _change(request: HttpRequest, user: User, values: dict[str, Any]) -> bool:
    """Make the change, and show Clerk's answer."""
    if not settings.CLERK_SECRET_KEY:
        messages.error(request, NO_KEY)
        return False
    change, actor = Change(values["change"]), Actor.from_request(request)
    try:
        ended = change_access(user, change, reason=values["reason"], actor=actor, session_id=values["session"])
    except AccessError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, _done(change, ended))
    return True


def _done(change: Change, ended: int) -> str:
    texts = {
        Change.BAN: _("Banned in Clerk. The user is signed out."),
        Change.UNBAN: _("The ban was removed in Clerk."),
        Change.LOCK: _("Locked in Clerk. The user cannot sign in until the lock expires."),
        Change.UNLOCK: _("The lock was removed in Clerk."),
    }
    counted = ngettext("%d session ended.", "%d sessions ended.", ended)
    return texts[change] if change in texts else counted % ended


def _sessions(request: HttpRequest, user: User) -> dict[str, Any]:
    """Return Clerk's list of active sessions, only if the page was asked for it, because Clerk can be slow."""
    if "sessions" not in request.GET or not user.clerk_id:
        return {}
    if not settings.CLERK_SECRET_KEY:
        return {"error": NO_KEY}
    try:
        sessions = api.list_active_sessions(user.clerk_id)
    except ClerkApiError as error:
        return {"error": str(error)}
    return {"sessions": sessions, "is_listed": True}
