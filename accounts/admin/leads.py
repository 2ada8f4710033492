"""Django admin pages for the waitlist and for invitations, both of which Clerk owns."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.admin.access import may_repair
from accounts.admin.access_page import NO_KEY
from accounts.admin.lead_approvals import ApprovalActionMixin
from accounts.clerk.fields import normalize_email
from accounts.leads import approvals, decisions
from accounts.leads.decisions import Decision, DecisionError
from accounts.leads.erasure import ErasureReason, erase_lead, leads_to_erase
from accounts.leads.services import owner_of
from accounts.models import Lead, User
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.forms import LineField

State = Lead.State
#: Severity and icon by state. Other states are neutral.
LEVELS: dict[str, tuple[str, str]] = {
    State.WAITING: ("attention", ""),
    State.INVITED: ("good", ""),
    State.COMPLETED: ("good", ""),
    State.ACCEPTED: ("good", ""),
    State.UNKNOWN: ("neutral", "unknown"),
}


def _reason_field() -> LineField:
    return LineField(
        max_length=500, label=gettext_lazy("Reason"), widget=forms.TextInput(attrs={"size": 40, "autocomplete": "off"})
    )


class LeadDecisionForm(forms.Form):
    decision = forms.ChoiceField(choices=[(decision, decision) for decision in Decision])
    reason = _reason_field()


class ErasureForm(forms.Form):
    reason = forms.ChoiceField(choices=ErasureReason.choices, label=gettext_lazy("Reason"), widget=forms.RadioSelect)


class InvitationForm(forms.Form):
    """An invitation. It cannot give the role Admin, because admins give that role on an existing user's page."""

    email = LineField(max_length=254, label=gettext_lazy("Email address"), widget=forms.EmailInput(attrs={"size": 40}))
    roles = forms.MultipleChoiceField(
        choices=[(role.value, role.label) for role in User.Role if role in User.SELF_SERVICE_ROLES],
        label=gettext_lazy("Roles"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "Roles that the person gets after signing up. If you choose none, the person becomes a client."
        ),
    )
    reason = _reason_field()

    def clean_email(self) -> str:
        email = normalize_email(self.cleaned_data["email"])
        if email is None:
            raise forms.ValidationError(_("Enter an email address, such as name@example.com."))
        return email


class AccountFilter(admin.SimpleListFilter):
    title = gettext_lazy("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [("yes", _("Has an account")), ("no", _("No account"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        value = self.value()
        return queryset.filter(user__isnull=value == "no") if value in ("yes", "no") else queryset


@admin.register(Lead)
class LeadAdmin(ApprovalActionMixin, ReadOnlyAdmin[Lead]):
    """Waitlist entries and invitations, with the users who signed up."""

    change_list_template = "admin/accounts/lead/change_list.html"
    change_form_template = "admin/accounts/lead/change_form.html"
    list_display = ("address", "status", "kind", "user", "clerk_created_at", "clerk_updated_at")
    list_filter = ("kind", "state", AccountFilter)
    list_select_related = ("user",)
    actions = ("approve",)
    help_if_empty = gettext_lazy(
        "Waitlist entries and invitations appear here when Clerk sends an event, or within an hour if it does not. "
        "To send the first invitation, select “Invite a person”."
    )
    search_fields = ("^email", "=lead_id", "=invitation_id", "=user__clerk_id")
    fields = (
        *("email", "kind", "state", "person", "lead_id", "invitation_id", "clerk_created_at", "clerk_updated_at"),
        *("reason", "decided_by", "decided_at", "erased_at"),
    )
    readonly_fields = ("person",)

    @admin.display(description=gettext_lazy("email address"), ordering="email")
    def address(self, lead: Lead) -> str:
        return lead.email or _("Erased")

    @admin.display(description=gettext_lazy("user"))
    def person(self, lead: Lead) -> str:
        user = owner_of(lead)
        return (
            format_html('<a href="{}">{}</a>', reverse("admin:accounts_user_change", args=[user.pk]), user)
            if user
            else "–"
        )

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def status(self, lead: Lead) -> SafeString:
        if approval := approvals.state_of(lead):
            return state_cell("bad" if approval == approvals.ApprovalState.FAILED else "attention", approval.label)
        level, icon = LEVELS.get(lead.state, ("neutral", "ignored"))
        return state_cell(level, lead.get_state_display(), icon)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lead]:
        return approvals.with_jobs(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("invite/", wrap(self.invite), name="accounts_lead_invite"),
            path("<path:object_id>/decide/", wrap(post_only(self.decide)), name="accounts_lead_decide"),
            path("<path:object_id>/erase/", wrap(self.erase), name="accounts_lead_erase"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        lead = self.get_object(request, object_id)
        found = decisions.possible_decisions(lead) if lead and may_repair(request) else []
        context: dict[str, Any] = {"decisions": found, "form": LeadDecisionForm(label_suffix="")}
        context["approval"] = approvals.state_of(lead) if lead else None
        context["can_erase"] = lead is not None and lead.erased_at is None and may_repair(request)
        if lead and lead.invitation_id:
            context["invitation"] = Lead.objects.filter(lead_id=lead.invitation_id).first()
        if lead and lead.kind == Lead.Kind.INVITATION:
            context["entry"] = Lead.objects.filter(invitation_id=lead.lead_id).first()
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, (extra_context or {}) | {"can_invite": may_repair(request)})

    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        lead, form = self.get_object(request, object_id), LeadDecisionForm(request.POST)
        if lead is None:
            raise Http404
        if not form.is_valid():
            messages.error(request, _("Nothing was changed. Enter a reason of at most 500 characters."))
        elif _has_key(request):
            _decide(request, lead, Decision(form.cleaned_data["decision"]), form.cleaned_data["reason"])
        return redirect("admin:accounts_lead_change", lead.pk)

    def invite(self, request: HttpRequest) -> HttpResponse:
        """Invite a person who is not on the waitlist."""
        if not may_repair(request):
            raise PermissionDenied
        form = InvitationForm(request.POST if request.method == "POST" else None, label_suffix="")
        lead = _invite(request, form) if form.is_valid() and _has_key(request) else None
        if lead:
            return redirect("admin:accounts_lead_change", lead.pk)
        context = {"title": _("Invite a person"), "opts": self.opts, "form": form}
        return render(request, "admin/accounts/lead/invite.html", self.admin_site.each_context(request) | context)

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, then erase the personal data."""
        if not may_repair(request):
            raise PermissionDenied
        lead = self.get_object(request, object_id)
        if lead is None:
            raise Http404
        form = ErasureForm(request.POST if request.method == "POST" else None, label_suffix="")
        found = list(leads_to_erase(lead))
        if not found:
            messages.info(request, _("Nothing was changed. The personal data has already been erased."))
            return redirect("admin:accounts_lead_change", lead.pk)
        if form.is_valid() and _has_key(request) and _erase(request, lead, form):
            return redirect("admin:accounts_lead_change", lead.pk)
        context = {"title": _("Erase personal data"), "opts": self.opts, "form": form, "leads": found, "lead": lead}
        return render(request, "admin/accounts/lead/erase.html", self.admin_site.each_context(request) | context)


def _has_key(request: HttpRequest) -> bool:
    if not settings.CLERK_SECRET_KEY:
        messages.error(request, NO_KEY)
    return bool(settings.CLERK_SECRET_KEY)


def _decide(request: HttpRequest, lead: Lead, decision: Decision, reason: str) -> None:
    """Make the decision, and show Clerk's answer."""
    try:
        stored = decisions.decide(lead, decision, reason=reason, actor=Actor.from_request(request))
    except DecisionError as error:
        messages.error(request, str(error))
        return
    messages.success(request, _("Clerk accepted the change. New state: %s.") % stored.get_state_display())


def _erase(request: HttpRequest, lead: Lead, form: ErasureForm) -> bool:
    reason = ErasureReason(form.cleaned_data["reason"])
    try:
        erase_lead(lead, reason=reason, actor=Actor.from_request(request))
    except DecisionError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, _("The personal data was erased and the erasure was recorded in the audit log."))
    return True


def _invite(request: HttpRequest, form: InvitationForm) -> Lead | None:
    try:
        lead = decisions.invite(**form.cleaned_data, actor=Actor.from_request(request))
    except DecisionError as error:
        messages.error(request, str(error))
        return None
    messages.success(request, _("Invitation created. Clerk sends it by email."))
    return lead
