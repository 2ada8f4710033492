"""A builder's page, and its sections as forms."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.generic.edit import UpdateView

from accounts.drafts import DraftMixin
from accounts.http import AuthenticatedRequest
from audit.log import Origin
from profiles import editing
from profiles.access import is_public
from profiles.mixins import ProfileAccessMixin
from profiles.models import BuilderProfile
from profiles.sections import BUILDER_SECTIONS, Section


class BuilderDetailView(ProfileAccessMixin):
    """A builder's page: for everybody while it is published, and for its owner and admins always."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        context = {
            "profile": self.profile,
            "access": self.access,
            "is_public": is_public(self.profile),
            "sections": BUILDER_SECTIONS,
        }
        return render(request, "profiles/builder_detail.html", context)


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
