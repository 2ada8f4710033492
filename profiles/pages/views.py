"""The view of a builder's public page."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.models import User
from accounts.public_pages import from_replica, is_for_every_visitor, share, unchanged_response
from core import markdown
from core.text import clean_paragraphs
from profiles import flags
from profiles.directory.exchange_rates import AS_OF
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.localization.visitor_currency import visitor_currency
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile
from profiles.models.versions import PAGE_VERSION, SHOWN_ORGANIZATIONS
from profiles.page_lookup import builder_page_url
from profiles.pages import page_etag
from profiles.pages.page_rows import find_public, load_content
from profiles.pages.share_metadata import build_sharing
from profiles.pages.sharing_views import without_index
from profiles.permissions import ProfileAccess, Viewer, access_for, is_public, is_reachable
from profiles.shortlist.services import is_saved


@method_decorator(from_replica, name="dispatch")
class BuilderDetailView(BuilderPageMixin):
    """A builder's page.

    Visitors can see it while it is published. The owner and admins can always see it. With `?as=visitor`, they see the
    page as visitors do, or as visitors would if it were published.
    """

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Revalidate a visitor's copy of the page with one small query."""
        if "If-None-Match" in request.headers and is_for_every_visitor(request):
            etag = page_etag.current_etag(kwargs["slug"])
            unchanged = unchanged_response(request, etag) if etag else None
            if unchanged:
                return unchanged
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        if slug != self.profile.slug:
            return self.redirect_to_current_slug()
        response = self.render(request)
        if is_for_every_visitor(request):
            share(response, page_etag.etag_for(self.profile))
        return response if is_indexed(self.profile) else without_index(response)

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        return find_public(url_kwargs["slug"]) or super().get_profile(**url_kwargs)

    def get_profiles(self) -> QuerySet[BuilderProfile]:
        return super().get_profiles().annotate(page_version=PAGE_VERSION, shown_organizations=SHOWN_ORGANIZATIONS)

    def render(self, request: HttpRequest) -> HttpResponse:
        as_visitor = request.GET.get("as") == "visitor" and self.access.role != Viewer.VISITOR
        access = access_for(AnonymousUser(), self.profile) if as_visitor else self.access
        context = {**build_page_context(self.profile, access, request), "as_visitor": as_visitor}
        context |= self.shortlist_context(access)
        return render(request, "profiles/builder_detail.html", context)

    def shortlist_context(self, access: ProfileAccess) -> dict[str, Any]:
        """Return the state of the shortlist button, which only clients see. Other visitors see a link."""
        user = self.request.user
        if not access.can_save or not isinstance(user, User) or not user.has_role(User.Role.CLIENT):
            return {}
        return {"can_toggle": True, "is_saved": is_saved(user, self.profile)}


@method_decorator(never_cache, name="dispatch")
class OwnBuilderView(RoleRequiredMixin):
    """Redirect builders to their own page. The header links here, so that pages do not need to query the slug."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Redirect to the account page, which explains what is missing, if the user has no builder page."""
        return redirect(builder_page_url(request.user.pk) or "accounts:account")


def build_page_context(profile: BuilderProfile, access: ProfileAccess, request: HttpRequest) -> dict[str, Any]:
    """Build the builder page's context for a viewer with `access`.

    This uses two queries, or none if the viewer cannot edit the page and its fragments are cached.
    """
    version = "" if access.can_edit else getattr(profile, "page_version", "")
    if not version:
        load_content(profile)
    public = is_public(profile)
    return {
        "profile": profile,
        "access": access,
        "is_public": public,
        "is_indexed": is_indexed(profile),
        "is_reachable": is_reachable(profile),
        "sections": BUILDER_SECTIONS,
        "in_place_editing": access.can_edit and flags.in_place_editing(request),
        "sharing": SimpleLazyObject(lambda: build_sharing(profile, request)) if public else None,
        "version": version,
        "currency": visitor_currency(request),
        "rates_as_of": AS_OF,
        "minute": page_etag.displayed_minute(
            profile.time_zone, profile.availability_confirmed_at, profile.available_from
        ),
    }


class MarkdownPreviewView(BuilderPageMixin):
    """Preview Markdown for an owner or admin. Nothing is stored."""

    required = "edit"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        return HttpResponse(markdown.render(clean_paragraphs(request.POST.get("text", "")[: markdown.MAX_LENGTH])))


def is_indexed(profile: BuilderProfile) -> bool:
    """Return whether search engines may index the page. The page must be public and listed in the directory."""
    return is_public(profile) and profile.is_listed
