"""Pages and buttons of the two bars above a builder's page: what its owner and what admins do with it as a whole."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.preserved_forms import PreservedFormMixin
from accounts.roles import RoleChangeError
from profiles import lifecycle
from profiles.editing import services as editing
from profiles.mixins import BuilderPageMixin
from profiles.models import Badge
from profiles.moderation import services as moderation
from profiles.moderation.forms import AwardForm, HideForm, RecordForm, TierForm, WithdrawForm
from profiles.moderation.services import EvidenceMissing
from profiles.pages.visibility import visibility_summary
from profiles.permissions import Permission, Viewer


class DeedView(BuilderPageMixin):
    """Something done to a whole profile."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def back(self, told: str | Promise, to: Any = None) -> HttpResponse:
        """Return to the page, and say there what was done."""
        messages.success(self.request, str(told))
        return HttpResponseRedirect(resolve_url(to or self.profile), status=303)


class ButtonView(DeedView):
    """A button that turns something on or off, as the posted `on` says; nothing is toggled, so twice is once."""

    on: ClassVar[Callable[..., None]]
    off: ClassVar[Callable[..., None]]

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Lead to the button, whoever comes back here after signing in again."""
        return redirect(self.profile)

    def post(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Do it."""
        is_on = bool(request.POST.get("on"))
        deed = type(self).on if is_on else type(self).off
        deed(self.profile, **self.audit_context)
        self.profile.refresh_from_db()
        return self.back(self.told(is_on))

    def told(self, is_on: bool) -> str:  # noqa: FBT001  # the state, not an option
        """Return what to say then."""
        raise NotImplementedError


class PublishView(ButtonView):
    """Publish the page, or keep it from the public."""

    required: Permission = "publish"
    on, off = moderation.publish, moderation.unpublish

    def told(self, is_on: bool) -> str:  # noqa: FBT001
        """Say who sees it now."""
        return (gettext("Published.") if is_on else gettext("Unpublished.")) + " " + visibility_summary(self.profile)


class FeatureView(ButtonView):
    """Put the page first in the directory, or no longer."""

    required: Permission = "verify"
    on, off = moderation.feature, moderation.unfeature

    def told(self, is_on: bool) -> str:  # noqa: FBT001
        """Say where it stands."""
        return gettext("The page is featured now.") if is_on else gettext("The page is not featured any more.")


class ModerationView(PreservedFormMixin, DeedView, FormView):  # type: ignore[type-arg]
    """A page with the form of one thing that admins decide about a builder."""

    request: AuthenticatedRequest
    required: Permission = "verify"
    template_name = "profiles/moderation_form.html"
    title: ClassVar[str | Promise]
    explanation: ClassVar[str | Promise]
    button: ClassVar[str | Promise]

    def act(self, form: Any) -> str | Promise:
        """Do what the valid form says, and return what to say then."""
        raise NotImplementedError

    def get_form_kwargs(self) -> dict[str, Any]:
        """Tell the form whom it is about."""
        return {**super().get_form_kwargs(), "profile": self.profile}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add whom the page is about, and its words."""
        words = {"title": self.title, "explanation": self.explanation, "button": self.button}
        return super().get_context_data(profile=self.profile, access=self.access, **words, **context)

    def form_valid(self, form: Any) -> HttpResponse:
        """Do it, and go back to the builder's page; or say why not."""
        try:
            told = self.act(form)
        except EvidenceMissing as error:
            form.add_error("evidence", str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.back(told)


class TierView(ModerationView):
    """Validate a builder."""

    form_class = TierForm
    title, button = _("Validation tier"), _("Set the tier")
    explanation = _("The tier is a promise to clients: it says how far we have looked at the work.")

    def act(self, form: Any) -> str | Promise:
        """Set the tier."""
        moderation.set_tier(self.profile, **form.cleaned_data, **self.audit_context)
        return _("The tier is set.")


class RecordView(ModerationView):
    """Set a builder's figures."""

    form_class = RecordForm
    title, button = _("Track record"), _("Save the record")
    explanation = _("What the builder has done here. Builders cannot change these figures themselves.")

    def act(self, form: Any) -> str | Promise:
        """Save the figures."""
        editing.save(self.profile, form.cleaned_data, **self.audit_context)
        return _("The record is saved.")


class BadgesView(ModerationView):
    """Award badges; those that are there are listed, each with the way to withdraw it."""

    template_name = "profiles/moderation_badges.html"
    form_class = AwardForm
    title, button = _("Badges"), _("Award the badge")
    explanation = _("Everybody reads what a badge rests on.")

    def act(self, form: Any) -> str | Promise:
        """Award it."""
        is_new = moderation.award(self.profile, **form.cleaned_data, **self.audit_context)
        return _("The badge is awarded.") if is_new else _("The badge was there already, and stays as it is.")


class WithdrawView(ModerationView):
    """Withdraw one badge."""

    form_class = WithdrawForm
    title, button = _("Withdraw a badge"), _("Withdraw the badge")

    def get_profile(self, **address: Any) -> Any:
        """Return the profile; which kind of badge is meant is `self.kind`."""
        kind = address.pop("kind")
        if kind not in Badge.Kind.values:
            raise Http404
        self.kind = Badge.Kind(kind)
        return super().get_profile(**address)

    @property
    def explanation(self) -> str | Promise:  # type: ignore[override]
        """Which badge it is."""
        return self.kind.label

    def act(self, form: Any) -> str | Promise:
        """Withdraw it."""
        moderation.withdraw(self.profile, self.kind, **form.cleaned_data, **self.audit_context)
        return _("The badge is withdrawn.")


class HideView(ModerationView):
    """Hide a page from the public, or show it again."""

    form_class = HideForm
    title, button = _("Hide the page"), _("Hide this page")
    explanation = _("Nobody but its owner and our team sees a hidden page, and its owner reads why.")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show it again, if that is what was asked for; else hide it."""
        if "show" not in request.POST:
            return super().post(request, *args, **kwargs)
        moderation.show(self.profile, **self.audit_context)
        return self.back(_("The page is not hidden any more."))

    def act(self, form: Any) -> str | Promise:
        """Hide it."""
        moderation.hide(self.profile, **form.cleaned_data, **self.audit_context)
        return _("The page is hidden.")


class DeleteView(DeedView):
    """Ask whether to delete the profile, then do it."""

    required: Permission = "delete"

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Say what follows."""
        return self._page()

    def post(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Delete it, and go where the person can go on."""
        try:
            lifecycle.delete(self.profile, **self.audit_context)
        except RoleChangeError as error:
            return self._page(str(error), status=422)
        to = "accounts:account" if self.access.role is Viewer.OWNER else None
        return self.back(_("The builder profile is deleted."), to)

    def _page(self, trouble: str = "", status: int = 200) -> HttpResponse:
        context = {"profile": self.profile, "access": self.access, "trouble": trouble}
        return render(self.request, "profiles/profile_delete.html", context, status=status)
