"""Save a builder to the shortlist, and show the shortlist. Both pages work without JavaScript."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.generic.base import TemplateView

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from core.db.cursors import parse_id
from core.redirects import is_internal_url
from profiles.cards import with_cards
from profiles.localization.visitor_currency import visitor_currency
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile
from profiles.shortlist import services as shortlist
from profiles.shortlist.services import ShortlistFullError


@method_decorator(never_cache, name="dispatch")
class SaveView(BuilderPageMixin):
    """Save a builder, or remove the builder if `on=0` is posted.

    GET shows a confirmation page, to which visitors return after signing in.
    """

    request: AuthenticatedRequest
    required = "save"
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        return self.render("profiles/shortlist_save.html")

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        try:
            text = self.save()
        except ShortlistFullError as error:
            return self.rejection(str(error))
        if self.request.htmx:
            return self.render("profiles/_save_button.html")
        messages.success(request, text)
        return self.redirect_back()

    def save(self) -> str:
        """Save or remove the builder, and return a message."""
        if self.request.POST.get("on") == "0":
            shortlist.remove(self.request.user, self.profile.pk)
            return gettext("%(name)s was removed from your shortlist.") % {"name": self.profile.name}
        shortlist.add(self.request.user, self.profile)
        return gettext("%(name)s was saved to your shortlist.") % {"name": self.profile.name}

    def rejection(self, text: str) -> HttpResponse:
        if self.request.htmx:
            return HttpResponse(text, "text/plain", 422)
        messages.error(self.request, text)
        return redirect("profiles:shortlist")

    def redirect_back(self) -> HttpResponse:
        target = self.request.POST.get("next", "")
        return redirect(target if is_internal_url(self.request, target) else self.profile)

    def render(self, template: str) -> HttpResponse:
        is_saved = shortlist.is_saved(self.request.user, self.profile)
        context = {"profile": self.profile, "is_saved": is_saved, "is_changed": self.request.method == "POST"}
        return render(self.request, template, context)


@method_decorator(never_cache, name="dispatch")
class ShortlistView(RoleRequiredMixin, TemplateView):
    """Show saved builders, most recently saved first. Builders with a hidden page are shown without details."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    template_name = "profiles/shortlist.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        ids = shortlist.saved_ids(self.request.user)
        found = with_cards(BuilderProfile.objects.published()).in_bulk(ids)
        return super().get_context_data(
            builders=[found[pk] for pk in ids if pk in found],
            unavailable=[pk for pk in ids if pk not in found],
            saved=ids,
            currency=visitor_currency(self.request),
            **context,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        """Remove a builder by ID. For builders with a hidden page, this is the only way."""
        if builder_id := parse_id(request.POST.get("remove", "")):
            shortlist.remove(self.request.user, builder_id)
            messages.success(request, gettext("Removed from your shortlist."))
        return redirect("profiles:shortlist")
