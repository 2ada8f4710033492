"""The public page of an organization, and the page on which owners choose the organizations on their page.

Both work without JavaScript.
"""

from typing import Any

from django.contrib import messages
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.models import Organization
from accounts.public_pages import from_replica, is_for_every_visitor, share_by_content
from accounts.sessions.preserved_forms import PreservedFormMixin
from core.db.cursors import InvalidCursor
from core.db.keyset import Cursor, Ordering
from core.text import postgres_safe
from profiles.cards import with_cards
from profiles.localization.visitor_currency import visitor_currency
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile
from profiles.teams.forms import OrganizationsForm
from profiles.teams.services import show_organizations

#: Members per page, with the highest scores first.
PAGE_SIZE = 24
_ORDERING = Ordering(F("score"))


@method_decorator(never_cache, name="dispatch")
class OrganizationsView(PreservedFormMixin[OrganizationsForm], BuilderPageMixin, FormView[OrganizationsForm]):
    """Choose the organizations on the user's own page. Admins cannot choose for an owner."""

    request: AuthenticatedRequest
    required = "publish"
    http_method_names = ["get", "head", "post"]
    template_name = "profiles/organizations.html"
    form_class = OrganizationsForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "profile": self.profile, "label_suffix": ""}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(profile=self.profile, **context)

    def form_valid(self, form: OrganizationsForm) -> HttpResponse:
        is_changed = show_organizations(self.profile, form.chosen, actor=self.actor)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Saved.") if is_changed else gettext("There were no changes."))
        return redirect(self.profile)


@require_safe
@from_replica
def team(request: HttpRequest, key: str) -> HttpResponse:
    """Show an organization with its members in the directory, if a public page shows the organization."""
    organization = _find(postgres_safe(key))
    after = request.GET.get("after", "")
    members = with_cards(_members(organization, BuilderProfile.objects.listed()))
    found = list(_ORDERING.after(members, _cursor(after))[: PAGE_SIZE + 1])
    listed = found[:PAGE_SIZE]
    # Unlisted pages show the organization too, but must not be enumerated here.
    if not listed and not _members(organization, BuilderProfile.objects.published()).exists():
        raise Http404
    if key != organization.url_name:
        return redirect("profiles:team", organization.url_name)
    context = {
        "organization": organization,
        "builders": listed,
        "currency": visitor_currency(request),
        "is_first_page": not after,
        "next_cursor": _ORDERING.encode_cursor(_ORDERING.cursor_for(listed[-1])) if len(found) > PAGE_SIZE else "",
    }
    response = render(request, "profiles/team.html", context)
    return share_by_content(request, response) if is_for_every_visitor(request) else response


def _cursor(text: str) -> Cursor | None:
    """Return the cursor of a page after the first. An invalid cursor starts at the first page."""
    try:
        return _ORDERING.decode_cursor(text)
    except InvalidCursor:
        return None


def _find(key: str) -> Organization:
    """Return the organization with this slug or ID. If a slug has moved in Clerk, the latest change wins."""
    found = Organization.objects.live().filter(Q(slug=key) | Q(clerk_id=key))
    organization = found.order_by("-clerk_updated_at", "-pk").first()
    if organization is None:
        raise Http404
    return organization


def _members(organization: Organization, builders: QuerySet[BuilderProfile]) -> QuerySet[BuilderProfile]:
    """Return the `builders` whose pages show the organization."""
    shown = organization.memberships.filter(deleted_at=None, shown_at__isnull=False)
    return builders.filter(user__clerk_id__in=shown.values("user__clerk_id"))
