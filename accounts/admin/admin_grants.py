"""Django admin pages for requests for the role Admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.access import may_repair
from accounts.models import AdminGrant
from accounts.roles import admin_grants
from accounts.roles.permissions import RoleChangeError
from accounts.sessions.verification import restored_fields
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.admin.verification import ask_to_verify
from core.forms import LineField

State = AdminGrant.State
LEVELS: dict[str, tuple[str, str]] = {State.PENDING: ("attention", ""), State.APPROVED: ("good", "")}


class DecisionForm(forms.Form):
    decision = forms.ChoiceField(choices=[(name, name) for name in ("approve", "refuse")])
    note = LineField(
        max_length=500,
        required=False,
        label=gettext_lazy("Comment"),
        widget=forms.TextInput(attrs={"size": 40, "autocomplete": "off"}),
    )


@admin.register(AdminGrant)
class AdminGrantAdmin(ReadOnlyAdmin[AdminGrant]):
    change_form_template = "admin/accounts/admingrant/change_form.html"
    list_display = ("requested_at", "status", "user", "requested_by", "decided_by", "decided_at")
    list_filter = ("state",)
    help_if_empty = gettext_lazy(
        "Requests to make users admins appear here. To start one, open a user’s page, and add the role Admin under “Roles”."
    )
    list_select_related = ("user", "requested_by", "decided_by")
    search_fields = ("=user__clerk_id", "^user__name")
    fields = (
        *("user", "state", "reason", "requested_by", "requested_at"),
        *("decided_by", "decided_at", "decision_reason"),
    )

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def status(self, grant: AdminGrant) -> SafeString:
        state = State.EXPIRED if grant.state == State.PENDING and not grant.is_open else State(grant.state)
        level, icon = LEVELS.get(state, ("neutral", "ignored"))
        return state_cell(level, state.label, icon)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.decide))
        return [path("<path:object_id>/decide/", view, name="accounts_admingrant_decide"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        grant = self.get_object(request, object_id)
        can_decide = grant is not None and grant.is_open and may_repair(request)
        context: dict[str, Any] = {"can_decide": can_decide}
        if can_decide and grant is not None:
            context["is_own"] = grant.requested_by_id == request.user.pk
            context["form"] = DecisionForm(initial=restored_fields(request), label_suffix="")
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        grant, form = self.get_object(request, object_id), DecisionForm(request.POST)
        if grant is None:
            raise Http404
        page = reverse("admin:accounts_admingrant_change", args=[grant.pk])
        if not form.is_valid():
            messages.error(request, _("Nothing was changed. The comment can be at most 500 characters long."))
            return redirect(page)
        is_approval = form.cleaned_data["decision"] == "approve"
        if is_approval and (response := ask_to_verify(request, page)):
            return response
        _decide(request, grant, form.cleaned_data["note"], is_approval=is_approval)
        return redirect(page)


def _decide(request: HttpRequest, grant: AdminGrant, note: str, *, is_approval: bool) -> None:
    actor = Actor.from_request(request)
    try:
        if is_approval:
            admin_grants.approve(grant, note=note, actor=actor)
            messages.success(request, _("Approved. %(name)s is now an admin.") % {"name": grant.user})
        else:
            admin_grants.refuse(grant, note=note, actor=actor)
            messages.success(request, _("Refused."))
    except admin_grants.AlreadyDecidedError as error:
        messages.warning(request, str(error))
    except RoleChangeError as error:
        messages.error(request, str(error))
