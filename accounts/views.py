"""The account page, and the page with Clerk's user profile."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.generic.base import TemplateView

from accounts import activity
from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.privacy import exports
from accounts.security import csp
from accounts.sessions import profile_visits
from core.redirects import is_internal_url


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
            **context, activity=activity.recent_activity(user), export=exports.current_export(user)
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
