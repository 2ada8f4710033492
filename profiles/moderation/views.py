"""Views for the actions in the owner and admin bars, which apply to a whole builder profile."""

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
from accounts.roles.permissions import RoleChangeError
from accounts.sessions.preserved_forms import PreservedFormMixin
from profiles import lifecycle
from profiles.editing import services as editing
from profiles.mixins import BuilderPageMixin
from profiles.models import Badge, BuilderProfile
from profiles.moderation import services as moderation
from profiles.moderation.forms import AwardForm, HideForm, ModerationForm, RecordForm, TierForm, WithdrawForm
from profiles.moderation.services import EvidenceMissing
from profiles.pages.visibility import visibility_summary
from profiles.permissions import Permission, Viewer


class ActionView(BuilderPageMixin):
    """Base view for an action on a whole profile."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def redirect_with_message(self, message: str | Promise, to: str = "") -> HttpResponse:
        """Redirect to the builder page or to `to`, and show `message` there."""
        messages.success(self.request, str(message))
        return HttpResponseRedirect(resolve_url(to or self.profile), status=303)


class ToggleView(ActionView):
    """Turn a setting on or off. The request contains the new state as `on`, so a repeated request changes nothing."""

    turn_on: ClassVar[Callable[..., None]]
    turn_off: ClassVar[Callable[..., None]]

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        """Redirect users who return here after signing in again."""
        return redirect(self.profile)

    def post(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        is_on = bool(request.POST.get("on"))
        action = type(self).turn_on if is_on else type(self).turn_off
        action(self.profile, actor=self.actor)
        self.profile.refresh_from_db()
        return self.redirect_with_message(self.success_message(is_on))

    def success_message(self, is_on: bool) -> str:  # noqa: FBT001  # the state, not an option
        raise NotImplementedError


class PublishView(ToggleView):
    required: Permission = "publish"
    turn_on, turn_off = moderation.publish, moderation.unpublish

    def success_message(self, is_on: bool) -> str:  # noqa: FBT001
        return (
            (gettext("Page published.") if is_on else gettext("Page unpublished."))
            + " "
            + visibility_summary(self.profile)
        )


class FeatureView(ToggleView):
    required: Permission = "verify"
    turn_on, turn_off = moderation.feature, moderation.unfeature

    def success_message(self, is_on: bool) -> str:  # noqa: FBT001
        return gettext("The page is now featured.") if is_on else gettext("The page is no longer featured.")


class ModerationView[F: ModerationForm](PreservedFormMixin[F], ActionView, FormView[F]):
    """A form page for one admin decision about a builder."""

    request: AuthenticatedRequest
    required: Permission = "verify"
    template_name = "profiles/moderation_form.html"
    title: ClassVar[str | Promise]
    explanation: str | Promise
    button: ClassVar[str | Promise]
    #: Whether to show a button that makes a hidden page visible again.
    can_unhide = False

    def apply(self, form: F) -> str | Promise:
        """Apply the valid form, and return the success message."""
        raise NotImplementedError

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "profile": self.profile}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        texts = {"title": self.title, "explanation": self.explanation, "button": self.button}
        return super().get_context_data(profile=self.profile, access=self.access, **texts, **context)

    def form_valid(self, form: F) -> HttpResponse:
        try:
            message = self.apply(form)
        except EvidenceMissing as error:
            form.add_error("evidence", str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        return self.redirect_with_message(message)


class TierView(ModerationView[TierForm]):
    form_class = TierForm
    title, button = _("Validation tier"), _("Save tier")
    explanation = _("The tier shows clients how thoroughly we have reviewed this builder’s work.")

    def apply(self, form: TierForm) -> str | Promise:
        moderation.set_tier(self.profile, **form.cleaned_data, actor=self.actor)
        return _("Tier saved.")


class RecordView(ModerationView[RecordForm]):
    form_class = RecordForm
    title, button = _("Track record"), _("Save track record")
    explanation = _("What the builder has done on this site. Builders cannot change these figures.")

    def apply(self, form: RecordForm) -> str | Promise:
        editing.save(self.profile, form.cleaned_data, actor=self.actor)
        return _("Track record saved.")


class BadgesView(ModerationView[AwardForm]):
    """Award a badge. The page also lists the current badges, with links to withdraw them."""

    template_name = "profiles/moderation_badges.html"
    form_class = AwardForm
    title, button = _("Badges"), _("Award badge")
    explanation = _("The evidence for each badge is public.")

    def apply(self, form: AwardForm) -> str | Promise:
        is_new = moderation.award(self.profile, **form.cleaned_data, actor=self.actor)
        return _("Badge awarded.") if is_new else _("This badge was already awarded. Its evidence was not changed.")


class WithdrawView(ModerationView[WithdrawForm]):
    form_class = WithdrawForm
    title, button = _("Withdraw badge"), _("Withdraw badge")

    def get_profile(self, **url_kwargs: Any) -> BuilderProfile:
        """Return the profile, and set `self.kind` from the URL."""
        kind = url_kwargs.pop("kind")
        if kind not in Badge.Kind.values:
            raise Http404
        self.kind = Badge.Kind(kind)
        self.explanation = self.kind.label
        return super().get_profile(**url_kwargs)

    def apply(self, form: WithdrawForm) -> str | Promise:
        moderation.withdraw(self.profile, self.kind, **form.cleaned_data, actor=self.actor)
        return _("Badge withdrawn.")


class HideView(ModerationView[HideForm]):
    """Hide a page, change the reason, or make the page visible again."""

    form_class = HideForm
    title, button = _("Hide page"), _("Hide page")
    explanation = _("Only the owner and our team can see a hidden page. The owner sees the reason.")
    can_unhide = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "show" not in request.POST:
            return super().post(request, *args, **kwargs)
        moderation.unhide(self.profile, actor=self.actor)
        return self.redirect_with_message(_("The page is no longer hidden."))

    def apply(self, form: HideForm) -> str | Promise:
        moderation.hide(self.profile, **form.cleaned_data, actor=self.actor)
        return _("The page is hidden.")


class DeleteView(ActionView):
    """Confirm and delete the profile."""

    required: Permission = "delete"

    def get(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        return self._confirmation()

    def post(self, request: AuthenticatedRequest, slug: str) -> HttpResponse:
        try:
            lifecycle.delete(self.profile, actor=self.actor)
        except RoleChangeError as error:
            return self._confirmation(str(error), status=422)
        # Owners can no longer see the page, so they go to their account.
        to = "accounts:account" if self.access.role is Viewer.OWNER else ""
        return self.redirect_with_message(_("Builder profile deleted."), to)

    def _confirmation(self, error: str = "", status: int = 200) -> HttpResponse:
        context = {"profile": self.profile, "access": self.access, "error": error}
        return render(self.request, "profiles/profile_delete.html", context, status=status)
