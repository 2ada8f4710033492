"""The queue of accounts that may be one person's, in the Django admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from accounts import identity_conflicts
from accounts.models import IdentityConflict
from audit.log import Origin
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin

State = IdentityConflict.State
#: What each resolution does, in the words of its button and of the sentence beside it.
CHOICES = {
    State.LINKED: (_("Link"), _("They are one person: the older account gets the identity at Clerk.")),
    State.MOVED: (_("Move profile"), _("They are one person: the older account lives on with the new identity.")),
    State.KEPT: (_("Keep separate"), _("They are two people, and are not asked about again.")),
    State.DISMISSED: (_("Dismiss"), _("It does not matter.")),
}


class ResolutionForm(forms.Form):
    """How to resolve a conflict, and why."""

    resolution = forms.ChoiceField(choices=[*((state, state) for state in CHOICES), ("undo", "undo")])
    note = forms.CharField(required=False, max_length=2000, label=_("Why"), widget=forms.Textarea(attrs={"rows": 2}))


@admin.register(IdentityConflict)
class IdentityConflictAdmin(ReadOnlyAdmin):
    """Pairs of accounts with one address. Open ones wait for an admin."""

    change_form_template = "admin/accounts/identityconflict/change_form.html"
    list_display = ("opened_at", "kind", "email", "user", "other", "state", "resolved_by")
    list_filter = ("state", "kind")
    list_select_related = ("user", "other", "resolved_by")
    search_fields = ("^email", "=user__clerk_id", "=other__clerk_id")
    fields = ("kind", "email", "state", "opened_at", "resolved_at", "resolved_by", "note")

    def get_urls(self) -> list[URLPattern]:
        """Add where resolutions are posted to."""
        view = self.admin_site.admin_view(post_only(self.resolve))
        own = path("<path:object_id>/resolve/", view, name="accounts_identityconflict_resolve")
        return [own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show both sides, and what can be done."""
        conflict = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if conflict is not None:
            choices = [(state, *CHOICES[state]) for state in identity_conflicts.available_resolutions(conflict)]
            context = {"conflict": conflict, "choices": choices, "form": ResolutionForm()}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Resolve a conflict as chosen, or take a resolution back."""
        conflict, form = self.get_object(request, object_id), ResolutionForm(request.POST)
        if conflict is None:
            raise Http404
        if form.is_valid():
            self._resolve(request, conflict, form.cleaned_data["resolution"], form.cleaned_data["note"])
        else:
            self.message_user(request, _("Choose what to do, and say why in at most 2000 characters."), messages.ERROR)
        return redirect(reverse("admin:accounts_identityconflict_change", args=[conflict.pk]))

    def _resolve(self, request: HttpRequest, conflict: IdentityConflict, resolution: str, note: str) -> None:
        who: dict[str, Any] = {"actor": request.user, "origin": Origin.from_request(request), "note": note}
        try:
            if resolution == "undo":
                identity_conflicts.undo(conflict, **who)
            else:
                identity_conflicts.resolve(conflict, State(resolution), **who)
        except identity_conflicts.ResolutionError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("Done, and in the audit log."), messages.SUCCESS)
