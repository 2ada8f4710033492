"""The public face: home and the directory; and the sections of a builder's page as forms."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe
from django.views.generic.edit import UpdateView

from accounts.drafts import DraftMixin
from accounts.http import AuthenticatedRequest
from audit.log import Origin
from profiles import editing, flags
from profiles.cursors import read_cursor
from profiles.mixins import ProfileAccessMixin
from profiles.models import BuilderProfile
from profiles.sections import BUILDER_SECTIONS, Section

PAGE_SIZE = 24
ON_HOME = 6


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    builders = BuilderProfile.objects.listed().order_by("-id")[:ON_HOME]
    return render(request, "home.html", {"builders": builders})


@require_safe
def builder_list(request: HttpRequest) -> HttpResponse:
    """Show one page of the directory, newest first; `?before=` continues below the profile with that id."""
    before = read_cursor(request.GET.get("before", ""))
    builders = BuilderProfile.objects.listed().order_by("-id")
    if before:
        builders = builders.filter(id__lt=before)
    page = list(builders[: PAGE_SIZE + 1])
    next_cursor = page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None
    context = {
        "builders": page[:PAGE_SIZE],
        "next_cursor": next_cursor,
        "is_first_page": before is None,
        "has_facets": flags.directory_facets(request),
    }
    return render(request, "profiles/builder_list.html", context)


class SectionUpdateView(DraftMixin, ProfileAccessMixin, UpdateView):  # type: ignore[type-arg]
    """A section of a builder's page as a form: in its place by htmx, or as a page of its own."""

    request: AuthenticatedRequest
    required = "edit"
    http_method_names = ["get", "head", "post"]
    context_object_name = "profile"
    section: Section

    def get_profile(self, **address: Any) -> Any:
        """Return the profile; which of its sections is meant is `self.section`."""
        section = BUILDER_SECTIONS.get(address.pop("section"))
        if section is None:
            raise Http404
        self.section = section
        return super().get_profile(**address)

    def get_object(self, queryset: Any = None) -> BuilderProfile:
        """Return the profile that the mixin has found and allowed."""
        profile: BuilderProfile = self.profile
        return profile

    def get_form_class(self) -> Any:
        """Return the form of the section."""
        return self.section.form_class

    def get_template_names(self) -> list[str]:
        """Return the form alone for htmx."""
        return [f"profiles/section_form.html{'#form' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add what the page may show to whom."""
        return super().get_context_data(access=self.access, section=self.section, **context)

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show the form again with what is wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def form_valid(self, form: Any) -> HttpResponse:
        """Save what changed, and show the section again."""
        origin = Origin.of_request(self.request)
        editing.save(self.profile, form.cleaned_data, actor=self.request.user, origin=origin)
        self.forget_draft()
        if self.request.htmx:
            return render(self.request, self.section.template, self.get_context_data(is_saved=True))
        messages.success(self.request, gettext("Saved."))
        return redirect(self.profile)
