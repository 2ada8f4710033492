"""Editing: sections of a builder's page in their place and as pages, the client profile, and the availability."""

import copy
from typing import Any
from urllib.parse import unquote

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.generic.edit import UpdateView
from django_htmx.http import HttpResponseClientRedirect

from accounts.http import AuthenticatedRequest, is_internal_url, sign_in_response
from accounts.preserved_forms import PreservedFormMixin
from audit.log import Origin
from profiles import flags, slug_history
from profiles.editing import services as editing
from profiles.editing.conflicts import differences, last_change
from profiles.editing.sections import BUILDER_SECTIONS, CLIENT_SECTION, Section
from profiles.forms.sections import AvailabilityForm
from profiles.mixins import BuilderPageMixin, ProfileAccessMixin
from profiles.models import ClientProfile
from profiles.permissions import Viewer


class EditingMixin(ProfileAccessMixin):
    """Saves what was typed about the profile in the address."""

    request: AuthenticatedRequest
    required = "edit"

    def save(self, form: Any, *, opened: str = "", confirms_availability: bool = False) -> None:
        """Save a valid form; see `editing.save`. Only owners can confirm that they are available."""
        confirms = confirms_availability and self.access.role == Viewer.OWNER
        self.profile = editing.save(
            self.profile,
            form.cleaned_data,
            **self.audit_context,
            opened=opened,
            extra={"availability_confirmed_at": timezone.now()} if confirms else {},
        )


class EditView(EditingMixin, PreservedFormMixin, UpdateView):  # type: ignore[type-arg]
    """One section of a profile as a form: in its place by htmx, or as a page of its own."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    section: Section

    def get_object(self, queryset: Any = None) -> Any:
        """Return a copy of the profile for the form to change, so that the page around it shows what is stored."""
        return copy.copy(self.profile)

    def get_form_class(self) -> Any:
        """Return the form of the section."""
        return self.section.form_class

    def get_template_names(self) -> list[str]:
        """Return the section alone for htmx."""
        return [f"profiles/section_form.html{'#section' if self.request.htmx else ''}"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add what the page may show to whom, and what was stored when the form was opened."""
        context = {**self.facts(), "is_page": self.is_page, "back_url": self.get_back_url()} | context
        context = super().get_context_data(**context)
        if self.is_page and "differences" not in context:
            context["form"].focus_first()
        return {"opened": self.opened(context["form"]), **context}

    def get_back_url(self) -> str:
        """Return the page to go to without saving."""
        return self.get_success_url()

    def facts(self) -> dict[str, Any]:
        """Return what the template of a section asks."""
        return {
            "profile": self.profile,
            "access": self.access,
            "section": self.section,
            "in_place_editing": flags.in_place_editing(self.request),
        }

    def opened(self, form: Any) -> str:
        """Return the digest that goes with `form`: the one that was posted, for it tells how old the form is."""
        if form.is_bound:
            return str(form.data.get("opened", ""))
        return editing.digest(self.profile, form.fields)

    @property
    def is_page(self) -> bool:
        """Whether the form stands on a page of its own."""
        page = self.request.htmx.current_url_abs_path or ""
        return not self.request.htmx or unquote(page.partition("?")[0]) == self.request.path

    def form_valid(self, form: Any) -> HttpResponse:
        """Save what changed, unless somebody else changed it meanwhile, and show it."""
        address = self.get_success_url()
        try:
            self.save(form, opened=self.opened(form), confirms_availability=self.section.confirms_availability)
        except editing.EditConflict as conflict:
            return self.form_in_conflict(form, conflict.stored)
        except slug_history.SlugTaken:
            form.add_error("slug", slug_history.SLUG_TAKEN)
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.saved(is_at_home=self.get_success_url() == address)

    def form_in_conflict(self, form: Any, stored: Any) -> HttpResponse:
        """Show both versions. The form has what was typed, and saving it again overwrites what is there now."""
        facts = {
            "opened": editing.digest(stored, form.fields),
            "differences": differences(form, stored),
            "change": last_change(stored, form.fields, self.request.user, Origin.from_request(self.request)),
        }
        return self.form_invalid(form, 409, **facts)

    def saved(self, *, is_at_home: bool) -> HttpResponse:
        """Return the section as it is now for its place, with the bar above it, or the way to the page it is on."""
        if self.request.htmx and is_at_home and not self.is_page:
            return render(self.request, "profiles/section_saved.html", {**self.facts(), "is_saved": True})
        messages.success(self.request, gettext("Saved."))
        url = self.get_success_url()
        return HttpResponseClientRedirect(url) if self.request.htmx else redirect(url)


class SectionUpdateView(BuilderPageMixin, EditView):
    """A section of a builder's page."""

    def get_profile(self, **address: Any) -> Any:
        """Return the profile; which of its sections is meant is `self.section`."""
        section = BUILDER_SECTIONS.get(address.pop("section"))
        if section is None:
            raise Http404
        self.section = section
        return super().get_profile(**address)

    def get_success_url(self) -> str:
        """Return the builder's page."""
        return str(self.profile.get_absolute_url())


class ClientUpdateView(EditView):
    """A client profile, by its id for admins, else one's own."""

    section = CLIENT_SECTION

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not kwargs and not request.user.is_authenticated:
            return sign_in_response(request)
        return super().dispatch(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        """Return the client profiles that the person may see."""
        return ClientProfile.objects.visible_to(self.request.user)

    def get_profile(self, **address: Any) -> Any:
        """Return the profile that the address names, or one's own."""
        return super().get_profile(**(address or {"user": self.request.user}))

    def get_success_url(self) -> str:
        """Return the page itself, which shows what is saved."""
        return self.request.path

    def get_back_url(self) -> str:
        """Return the account, which the page belongs to."""
        return reverse("accounts:account")


class AvailabilityView(EditingMixin):
    """The switch for how much work a builder can take on: alone on the account page, and in the bar of the owner."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Lead to the page, whoever comes back here after signing in again."""
        return redirect(self.profile)

    def post(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Set the availability, and confirm it as of today."""
        form = AvailabilityForm(request.POST, instance=copy.copy(self.profile))
        if not form.is_valid():
            return self.answer(422, error=form.errors["availability"][0])
        self.save(form, confirms_availability=True)
        return self.answer(200, is_confirmed=True)

    def answer(self, status: int, **facts: Any) -> HttpResponse:
        """Return for htmx the switch, in its bar and with the section it changes where those are; else go back."""
        if not self.request.htmx:
            tell = messages.error if "error" in facts else messages.success
            tell(self.request, facts.get("error") or gettext("Saved."))
            return redirect(self.target)
        page = unquote(self.request.htmx.current_url_abs_path or "").partition("?")[0]
        is_bar = page == unquote(self.profile.get_absolute_url()) and self.access.role == Viewer.OWNER
        terms = BUILDER_SECTIONS["terms"] if is_bar else None
        facts |= {"profile": self.profile, "access": self.access, "section": terms}
        return render(self.request, "profiles/availability_answer.html", facts, status=status)

    @property
    def target(self) -> str:
        """The page of ours that the switch was on, else the builder's."""
        target = self.request.POST.get("next", "")
        return target if is_internal_url(self.request, target) else str(self.profile.get_absolute_url())
