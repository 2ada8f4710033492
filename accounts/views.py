"""The account page."""

from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic.base import TemplateView

from accounts import activity
from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.privacy import exports


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
