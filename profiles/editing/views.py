"""Views for editing builder page sections, client profiles and availability."""

import copy
from typing import Any, cast
from urllib.parse import unquote

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy
from django.views.generic.edit import UpdateView
from django_htmx.http import HttpResponseClientRedirect

from accounts.http import AuthenticatedRequest, sign_in_response
from accounts.sessions.preserved_forms import PreservedFormMixin
from core.redirects import is_internal_url
from profiles import flags, slug_history
from profiles.editing import services as editing
from profiles.editing.conflicts import differences, last_change
from profiles.editing.sections import BUILDER_SECTIONS, CLIENT_SECTION, Section
from profiles.editing.versions import EditConflictError, version_of
from profiles.forms.sections import AvailabilityForm, ProfileForm
from profiles.mixins import BuilderPageMixin, ProfileAccessMixin
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.permissions import Viewer


class EditingMixin[P: Profile](ProfileAccessMixin[P]):
    """Save a form to the profile identified by the URL."""

    request: AuthenticatedRequest
    required = "edit"

    def save(self, form: ProfileForm[P], *, version: str = "", confirms_availability: bool = False) -> None:
        """Save a valid form. If the owner saves it, also confirm the availability."""
        confirms = confirms_availability and self.access.role == Viewer.OWNER
        self.profile = editing.save(
            self.profile,
            form.cleaned_data,
            actor=self.actor,
            version=version,
            extra=editing.confirmation(form.cleaned_data) if confirms else {},
        )


class EditView[P: Profile](EditingMixin[P], PreservedFormMixin[ProfileForm[P]], UpdateView[P, ProfileForm[P]]):
    """Edit one section, either in place with htmx or on a separate page."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    section: Section
    saved_message: str | Promise = gettext_lazy("Saved.")

    def get_object(self, queryset: QuerySet[P] | None = None) -> P:
        """Return a copy, because validation changes the instance while the rest of the page must show stored values."""
        return copy.copy(self.profile)

    def get_form_class(self) -> type[ProfileForm[P]]:
        return self.section.form_class

    def get_template_names(self) -> list[str]:
        return [f"profiles/section_form.html{'#section' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context = {**self.section_context(), "is_page": self.is_page, "back_url": self.get_back_url()} | context
        context = {"form_action": self.get_form_action()} | context
        context = super().get_context_data(**context)
        if self.is_page and "differences" not in context:
            context["form"].focus_first()
        return {"version": self.version_for(context["form"]), **context}

    def get_back_url(self) -> str:
        return self.get_success_url()

    def get_form_action(self) -> str:
        return self.request.path

    def get_undo_url(self) -> str:
        """Return the URL for undoing the last edit, or "" if the edit cannot be undone."""
        return ""

    def section_context(self) -> dict[str, Any]:
        """Build the context for a section's display template."""
        return {
            "profile": self.profile,
            "access": self.access,
            "section": self.section,
            "in_place_editing": flags.in_place_editing(self.request),
        }

    def version_for(self, form: ProfileForm[P]) -> str:
        """Return the version to embed in `form`.

        A posted form keeps its version, so that a validation error does not hide a conflict.
        """
        if form.is_bound:
            return str(form.data.get("version", ""))
        return version_of(self.profile, form.fields)

    @property
    def is_page(self) -> bool:
        """Whether the form is on a separate page instead of in place on the builder page."""
        page = self.request.htmx.current_url_abs_path or ""
        return not self.request.htmx or unquote(page.partition("?")[0]) == self.request.path

    def form_valid(self, form: ProfileForm[P]) -> HttpResponse:
        """Save the section and render it. If there is a conflict, render the form again."""
        url_before = self.get_success_url()
        try:
            self.save(form, version=self.version_for(form), confirms_availability=self.section.confirms_availability)
        except EditConflictError as conflict:
            return self.form_in_conflict(form, cast("P", conflict.stored))
        except slug_history.SlugTaken:
            form.add_error("slug", slug_history.SLUG_TAKEN)
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.saved(url_is_unchanged=self.get_success_url() == url_before)

    def form_in_conflict(self, form: ProfileForm[P], stored: P) -> HttpResponse:
        """Show both versions. The form keeps the submitted values, and saving it again overwrites the stored values."""
        context = {
            "version": version_of(stored, form.fields),
            "differences": differences(form, stored),
            "change": last_change(stored, form.fields, self.actor),
        }
        return self.form_invalid(form, 409, **context)

    def saved(self, *, url_is_unchanged: bool) -> HttpResponse:
        """Return the saved section and the bar for htmx, otherwise redirect to the page."""
        if self.request.htmx and url_is_unchanged and not self.is_page:
            context = {**self.section_context(), "is_saved": True}
            return render(self.request, "profiles/section_saved.html", context)
        messages.success(self.request, str(self.saved_message), extra_tags=self.get_undo_url())
        url = self.get_success_url()
        return HttpResponseClientRedirect(url) if self.request.htmx else redirect(url)


class SectionUpdateView(BuilderPageMixin, EditView[BuilderProfile]):
    """Edit a section of a builder's page."""

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        """Return the profile, and set `self.section` from the URL."""
        section = BUILDER_SECTIONS.get(url_kwargs.pop("section"))
        if section is None:
            raise Http404
        self.section = section
        return super().get_profile(**url_kwargs)

    def get_undo_url(self) -> str:
        undo_id = self.profile.undo_id
        return reverse("profiles:restore", args=[self.profile.slug, undo_id]) if undo_id else ""

    def get_success_url(self) -> str:
        return str(self.profile.get_absolute_url())


class ClientUpdateView(EditView[ClientProfile]):
    """Edit the signed-in user's client profile. Admins can edit any client profile by id."""

    section = CLIENT_SECTION
    is_page = True  # no other page shows a client profile

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not kwargs and not request.user.is_authenticated:
            return sign_in_response(request)
        return super().dispatch(request, *args, **kwargs)

    def get_profiles(self) -> QuerySet[ClientProfile]:
        return ClientProfile.objects.visible_to(self.request.user)

    def get_profile(self, **url_kwargs: Any) -> ClientProfile:
        return super().get_profile(**(url_kwargs or {"user": self.request.user}))

    def get_success_url(self) -> str:
        """Return the form's URL, because client profiles have no public page."""
        return self.request.path

    def get_back_url(self) -> str:
        if self.access.role == Viewer.ADMIN:
            return reverse("admin:accounts_user_change", args=[self.profile.user_id])
        return reverse("accounts:account")


class AvailabilityView(EditingMixin[BuilderProfile]):
    """The availability switch on the account page and in the builder page's owner bar."""

    http_method_names = ["get", "head", "post"]

    def get_profiles(self) -> QuerySet[BuilderProfile]:
        return BuilderProfile.objects.visible_to(self.request.user)

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Redirect users who return here after signing in again."""
        return redirect(self.profile)

    def post(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        form = AvailabilityForm(request.POST, instance=copy.copy(self.profile))
        if not form.is_valid():
            return self.render_switch(422, error=form.errors["availability"][0])
        self.save(form, confirms_availability=True)
        return self.render_switch(200, is_confirmed=True)

    def render_switch(self, status: int, **context: Any) -> HttpResponse:
        """Return the switch for htmx, including the bar and the section on the builder page.

        Otherwise redirect back.
        """
        if not self.request.htmx:
            add_message = messages.error if "error" in context else messages.success
            add_message(self.request, context.get("error") or gettext("Saved."))
            return redirect(self.next_url)
        page = unquote(self.request.htmx.current_url_abs_path or "").partition("?")[0]
        is_bar = page == unquote(self.profile.get_absolute_url()) and self.access.role == Viewer.OWNER
        terms = BUILDER_SECTIONS["terms"] if is_bar else None
        context |= {"profile": self.profile, "access": self.access, "section": terms}
        return render(self.request, "profiles/availability_saved.html", context, status=status)

    @property
    def next_url(self) -> str:
        """The page that contained the switch, or the builder page if that page is not on this site."""
        target = self.request.POST.get("next", "")
        return target if is_internal_url(self.request, target) else str(self.profile.get_absolute_url())
