"""Django admin pages for identity conflicts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.identity import conflicts, joins
from accounts.identity.suggestions import SIGNALS
from accounts.models import IdentityConflict, User
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.forms import ParagraphsField

State = IdentityConflict.State
#: Button labels and explanations for the resolutions.
CHOICES = {
    State.LINKED: (_("Link accounts"), _("Same person. The older account receives the Clerk identity.")),
    State.MOVED: (_("Move profile"), _("Same person. The older account continues with the new identity.")),
    State.KEPT: (_("Keep separate"), _("Two different people. The accounts stay separate.")),
    State.DISMISSED: (_("Dismiss"), _("No action needed.")),
}


class ResolutionForm(forms.Form):
    resolution = forms.ChoiceField(choices=[*((state, state) for state in CHOICES), ("undo", "undo")])
    note = ParagraphsField(required=False, max_length=2000, label=_("Reason"), widget=forms.Textarea(attrs={"rows": 2}))


class AccountField(forms.CharField):
    """An account, identified by its ID, Clerk ID, email or login."""

    def clean(self, value: Any) -> User:
        text = super().clean(value).replace("\x00", "").strip()
        by_number = Q(pk=int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else Q()
        found = User.objects.filter(
            Q(clerk_id=text) | Q(email__iexact=text) | Q(login=text) | by_number, erased_at=None
        )
        accounts = list(found.order_by("pk")[:5]) if text else []
        if not accounts:
            raise forms.ValidationError(_("No account has this ID, Clerk ID, email or login."))
        if len(accounts) > 1:
            ids = ", ".join(str(account.pk) for account in accounts)
            raise forms.ValidationError(_("Several accounts match. Enter one of these IDs: %s.") % ids)
        return accounts[0]


class JoinForm(forms.Form):
    user = AccountField(label=_("Account to take the sign-in from"), max_length=254)
    other = AccountField(
        label=_("Account to keep"), max_length=254, help_text=_("The account’s ID, Clerk ID, email or login.")
    )


@admin.register(IdentityConflict)
class IdentityConflictAdmin(ReadOnlyAdmin[IdentityConflict]):
    """Pairs of accounts that may belong to one person. Conflicts need an admin's decision. Suggestions are optional."""

    change_list_template = "admin/accounts/identityconflict/change_list.html"
    change_form_template = "admin/accounts/identityconflict/change_form.html"
    list_display = ("opened_at", "status", "kind", "emails", "user", "other", "resolved_by")
    list_filter = ("state", "kind")
    list_select_related = ("user", "other", "resolved_by")
    search_fields = ("^email", "=user__clerk_id", "=other__clerk_id")
    actions = ("dismiss",)
    fields = ("kind", "email", "state", "opened_at", "resolved_at", "resolved_by", "note")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.resolve))
        own = path("<path:object_id>/resolve/", view, name="accounts_identityconflict_resolve")
        join = path("join/", self.admin_site.admin_view(self.join), name="accounts_identityconflict_join")
        return [own, join, *super().get_urls()]

    @admin.display(description=_("state"), ordering="state")
    def status(self, conflict: IdentityConflict) -> SafeString:
        level = "attention" if conflict.state == State.OPEN else "neutral"
        return state_cell(level, conflict.get_state_display(), "attention" if level == "attention" else "ignored")

    @admin.display(description=_("emails"))
    def emails(self, conflict: IdentityConflict) -> str:
        """Return the shared email, or both emails of a suggestion or a join by an admin."""
        own = (side.get("email") or "–" for side in (conflict.evidence.get(key, {}) for key in ("user", "other")))
        return conflict.email or " / ".join(own)

    @admin.action(description=_("Dismiss selected suggestions"))
    def dismiss(self, request: HttpRequest, queryset: QuerySet[IdentityConflict]) -> None:
        """Dismiss suggestions. Conflicts of other kinds must be resolved individually."""
        actor, dismissed = Actor.from_request(request), 0
        for conflict in queryset.filter(kind=IdentityConflict.Kind.POSSIBLE, state=State.OPEN):
            conflicts.resolve(conflict, State.DISMISSED, actor=actor)
            dismissed += 1
        message = ngettext("%d suggestion dismissed.", "%d suggestions dismissed.", dismissed) % dismissed
        self.message_user(request, message, messages.SUCCESS if dismissed else messages.INFO)

    def join(self, request: HttpRequest) -> HttpResponse:
        """Preview the join of two accounts, and join them with a reason."""
        form = JoinForm(request.GET if {"user", "other"} <= request.GET.keys() else None, initial=request.GET.dict())
        context: dict[str, Any] = {"title": gettext("Join two accounts"), "opts": self.opts, "form": form}
        if form.is_valid():
            try:
                context["preview"] = joins.preview(**form.cleaned_data)
                if request.method == "POST":
                    return self._join(request, form)
            except conflicts.ResolutionError as error:
                context["error"] = str(error)
        context = {**self.admin_site.each_context(request), **context}
        return render(request, "admin/accounts/identityconflict/join.html", context)

    def _join(self, request: HttpRequest, form: JoinForm) -> HttpResponse:
        note = request.POST.get("note", "").replace("\x00", "")[:2000]
        conflict = joins.join(**form.cleaned_data, note=note, actor=Actor.from_request(request))
        self.message_user(request, _("Joined and recorded in the audit log."), messages.SUCCESS)
        return redirect(reverse("admin:accounts_identityconflict_change", args=[conflict.pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        conflict = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if conflict is not None:
            choices = [(state, *CHOICES[state]) for state in conflicts.available_resolutions(conflict)]
            signals = [SIGNALS[name] for name in conflict.evidence.get("signals", ()) if name in SIGNALS]
            can_be_undone = conflicts.can_be_undone(conflict)
            context = {"conflict": conflict, "choices": choices, "form": ResolutionForm()}
            context |= {"signals": signals, "can_be_undone": can_be_undone}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        conflict, form = self.get_object(request, object_id), ResolutionForm(request.POST)
        if conflict is None:
            raise Http404
        if form.is_valid():
            self._resolve(request, conflict, form.cleaned_data["resolution"], form.cleaned_data["note"])
        else:
            self.message_user(
                request, _("Choose a resolution. The reason can be at most 2,000 characters long."), messages.ERROR
            )
        return redirect(reverse("admin:accounts_identityconflict_change", args=[conflict.pk]))

    def _resolve(self, request: HttpRequest, conflict: IdentityConflict, resolution: str, note: str) -> None:
        actor = Actor.from_request(request)
        try:
            if resolution == "undo":
                conflicts.undo(conflict, note=note, actor=actor)
            else:
                conflicts.resolve(conflict, State(resolution), note=note, actor=actor)
        except conflicts.ResolutionError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("Saved and recorded in the audit log."), messages.SUCCESS)
