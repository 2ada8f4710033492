"""The account page, Clerk's user profile, email preferences, and agreement to new versions of the legal texts."""

import re
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.generic.base import TemplateView, View
from django.views.generic.edit import FormView

from accounts import activity
from accounts.http import AuthenticatedRequest
from accounts.legal import services as legal
from accounts.mixins import RoleRequiredMixin
from accounts.models import Agreement
from accounts.notifications import preferences
from accounts.notifications.forms import LANGUAGE, NotificationsForm
from accounts.notifications.kinds import required_kinds
from accounts.privacy import exports
from accounts.security import csp
from accounts.sessions import profile_visits
from accounts.sessions.preserved_forms import PreservedFormMixin
from audit.log import Actor
from core.redirects import is_internal_url

#: Limits of the posted version IDs. More digits do not fit PostgreSQL's bigint.
MAX_VERSIONS, VERSION_ID = 20, re.compile(r"[0-9]{1,18}", re.ASCII)


@method_decorator(never_cache, name="dispatch")
class AccountView(RoleRequiredMixin, TemplateView):
    """Show the account with its profiles and recent activity, or a waiting page until Clerk's data has arrived."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head"]

    def get_template_names(self) -> list[str]:
        return ["accounts/setting_up.html" if self.request.user.is_provisional else "accounts/account.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user = self.request.user
        if user.is_provisional:
            return super().get_context_data(**context)
        return super().get_context_data(
            **context,
            activity=activity.recent_activity(user),
            export=exports.current_export(user),
            pending_texts=[] if self.request.impersonator else legal.pending(user),
        )


@method_decorator(never_cache, name="dispatch")
class SecurityView(RoleRequiredMixin, TemplateView):
    """Show Clerk's user profile, in which users change everything that Clerk owns: names, addresses, password, devices.

    Browsers without JavaScript get a link to the same profile on Clerk's account portal.
    """

    request: AuthenticatedRequest
    http_method_names = ["get", "head"]
    template_name = "accounts/security.html"

    @method_decorator(csp_override(csp.PROFILE))
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Render the page. Changes are fetched from Clerk when the user opens another page."""
        response = super().get(request, *args, **kwargs)
        profile_visits.start(response, str(self.request.user.clerk_id))
        return response

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        portal = f"{settings.CLERK_ACCOUNT_PORTAL_URL}/user" if settings.CLERK_ACCOUNT_PORTAL_URL else ""
        return super().get_context_data(**context, portal=portal, back=self._back())

    def _back(self) -> str:
        """Return the page that sent the user here, or the account page."""
        target = self.request.GET.get("next", "")
        is_safe = is_internal_url(self.request, target) and not target.startswith(self.request.path)
        return target if is_safe else reverse("accounts:account")


class AgreementView(RoleRequiredMixin, View):
    """Record the user's agreement to the versions in the notice on the account page."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Redirect to the account page, which users open again after their token has expired."""
        return redirect("accounts:account")

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        if request.impersonator:
            raise PermissionDenied("Only the user can agree to the terms.")
        shown = [int(text) for text in request.POST.getlist("version")[:MAX_VERSIONS] if VERSION_ID.fullmatch(text)]
        actor = Actor.from_request(request)
        if legal.agree(request.user, shown, source=Agreement.Source.NOTICE, actor=actor):
            messages.success(request, gettext("Thank you. Your agreement is recorded."))
        return redirect("accounts:account")


@method_decorator(never_cache, name="dispatch")
class NotificationsView(RoleRequiredMixin, PreservedFormMixin[NotificationsForm], FormView[NotificationsForm]):
    """Show and save the user's email preferences."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    form_class = NotificationsForm
    template_name = "accounts/notifications.html"
    success_url = reverse_lazy("accounts:notifications")

    def get_initial(self) -> dict[str, Any]:
        return NotificationsForm.initial_values(preferences.preferences_of(self.request.user))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(required_kinds=required_kinds(is_admin=self.request.user.is_staff), **context)

    def form_valid(self, form: NotificationsForm) -> HttpResponse:
        language = form.cleaned_data[LANGUAGE]
        preferences.save(self.request.user, turned_off=form.turned_off, language=language)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Saved."))
        return super().form_valid(form)
