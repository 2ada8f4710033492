"""A project's own page, with its gallery and share image. Its builder's page decides who can view it."""

from typing import Any
from urllib.parse import unquote

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from accounts.public_pages import etag_of, from_replica, is_for_every_visitor, share, unchanged_response
from core.interface_languages import interface_language
from profiles.mixins import BuilderPageMixin
from profiles.models import BuilderProfile, Project
from profiles.pages import page_etag
from profiles.pages.page_rows import find_public, load_projects
from profiles.pages.share_card import Card
from profiles.pages.share_metadata import build_project_sharing
from profiles.pages.sharing_views import image_response, public_profile, without_index
from profiles.pages.views import is_indexed
from profiles.permissions import is_public, is_reachable


@method_decorator(from_replica, name="dispatch")
class ProjectDetailView(BuilderPageMixin):
    """A project's page. The ID in the address finds the project; other spellings of the title redirect."""

    http_method_names = ["get", "head"]
    pk: int

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Revalidate a visitor's copy of the page with one small query."""
        if "If-None-Match" in request.headers and is_for_every_visitor(request):
            version = page_etag.current_version(kwargs["slug"])
            unchanged = unchanged_response(request, etag_of(version, request.path)) if version else None
            if unchanged:
                return unchanged
        return super().dispatch(request, *args, **kwargs)

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        self.pk = url_kwargs.pop("pk")
        return find_public(url_kwargs["slug"]) or super().get_profile(**url_kwargs)

    def get(self, request: HttpRequest, **url_kwargs: Any) -> HttpResponse:
        project = find_project(self.profile, self.pk)
        address = project.get_absolute_url()
        if request.path != unquote(address):
            return redirect(address, permanent=True)
        response = render(request, "profiles/project_detail.html", self.page_context(project))
        if is_for_every_visitor(request) and (version := getattr(self.profile, "page_version", "")):
            share(response, etag_of(version, request.path))
        return response if is_indexed(self.profile) else without_index(response)

    def page_context(self, project: Project) -> dict[str, Any]:
        others = [each for each in self.profile.projects.all() if each != project]
        return {
            "profile": self.profile,
            "access": self.access,
            "project": project,
            "others": others,
            "is_indexed": is_indexed(self.profile),
            "is_reachable": is_reachable(self.profile),
            "sharing": build_project_sharing(project, self.request) if is_public(self.profile) else None,
        }


@require_safe
@from_replica
def share_image(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Return the share image of a public page's project, or 304 if the client already has it."""
    profile = public_profile(slug)
    project = find_project(profile, pk)
    with translation.override(interface_language(profile.page_language)):
        card = Card.from_project(project)
    return image_response(request, card, is_listed=profile.is_listed)


def find_project(profile: BuilderProfile, pk: int) -> Project:
    """Return a project with its images. Raise Http404 if the profile does not have it."""
    load_projects(profile)
    project: Project | None = next((each for each in profile.projects.all() if each.pk == pk), None)
    if project is None:
        raise Http404
    return project
