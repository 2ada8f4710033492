"""Django admin pages for identity conflicts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from accounts import identity_conflicts
from accounts.models import IdentityConflict
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.forms import ParagraphsField

State = IdentityConflict.State
#: Button labels and explanations for the resolutions.
CHOICES = {
    State.LINKED: (_("Link"), _("Same person. The older account receives the Clerk identity.")),
    State.MOVED: (_("Move profile"), _("Same person. The older account continues with the new identity.")),
    State.KEPT: (_("Keep separate"), _("Two different people. The accounts stay separate.")),
    State.DISMISSED: (_("Dismiss"), _("No action needed.")),
}


class ResolutionForm(forms.Form):
    resolution = forms.ChoiceField(choices=[*((state, state) for state in CHOICES), ("undo", "undo")])
    note = ParagraphsField(required=False, max_length=2000, label=_("Reason"), widget=forms.Textarea(attrs={"rows": 2}))


@admin.register(IdentityConflict)
class IdentityConflictAdmin(ReadOnlyAdmin[IdentityConflict]):
    """Pairs of accounts with the same email address. An admin must resolve open conflicts."""

    change_form_template = "admin/accounts/identityconflict/change_form.html"
    list_display = ("opened_at", "kind", "email", "user", "other", "state", "resolved_by")
    list_filter = ("state", "kind")
    list_select_related = ("user", "other", "resolved_by")
    search_fields = ("^email", "=user__clerk_id", "=other__clerk_id")
    fields = ("kind", "email", "state", "opened_at", "resolved_at", "resolved_by", "note")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.resolve))
        own = path("<path:object_id>/resolve/", view, name="accounts_identityconflict_resolve")
        return [own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        conflict = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if conflict is not None:
            choices = [(state, *CHOICES[state]) for state in identity_conflicts.available_resolutions(conflict)]
            context = {"conflict": conflict, "choices": choices, "form": ResolutionForm()}
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
                identity_conflicts.undo(conflict, note=note, actor=actor)
            else:
                identity_conflicts.resolve(conflict, State(resolution), note=note, actor=actor)
        except identity_conflicts.ResolutionError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("Saved and recorded in the audit log."), messages.SUCCESS)
