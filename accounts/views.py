"""Views for the account pages: overview, roles, data export and deletion."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic.base import TemplateView, View
from django.views.generic.edit import FormView

from accounts import activity, roles
from accounts.forms import RolesForm
from accounts.http import AuthenticatedRequest, sign_in_response
from accounts.mixins import RoleRequiredMixin
from accounts.models import DataExport, User
from accounts.preserved_forms import PreservedFormMixin
from accounts.privacy import deletion, exports
from accounts.role_changes import change_roles
from audit.log import Actor


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


class ExportView(RoleRequiredMixin, View):
    """Request an export of all personal data."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Redirect users who return here after signing in to the page with the button."""
        return redirect("accounts:account")

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        exports.request_export(request.user, actor=Actor.from_request(request))
        messages.success(
            request, gettext("We are preparing a copy of your data. It will be available here in about a minute.")
        )
        return redirect("accounts:account")


@never_cache
@require_safe
def data_export(request: HttpRequest, public_id: UUID) -> HttpResponse:
    if not request.user.is_authenticated:
        return sign_in_response(request)
    export = DataExport.objects.filter(public_id=public_id, user=request.user).first()
    if export is None or not export.is_ready:
        raise Http404
    name = f"buildappswith-{timezone.localdate(export.ready_at):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(bytes(export.archive or b""), content_type="application/zip", headers=headers)


class DeletionView(RoleRequiredMixin, View):
    """Confirm and schedule the deletion of the account, or cancel a scheduled deletion."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        return render(request, "accounts/account_delete.html", {"days": deletion.COOLING_OFF.days})

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        try:
            if "keep" in request.POST:
                deletion.cancel_deletion(request.user, actor=Actor.from_request(request))
                messages.success(request, gettext("Account deletion cancelled."))
            else:
                deletion.request_deletion(request.user, actor=Actor.from_request(request))
        except deletion.DeletionError as error:
            messages.error(request, str(error))
        return redirect("accounts:account")


class RolesView(RoleRequiredMixin, PreservedFormMixin[RolesForm], FormView[RolesForm]):
    """The page on which users change their own roles."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    form_class = RolesForm
    template_name = "accounts/roles_form.html"
    success_url = reverse_lazy("accounts:account")

    def get_initial(self) -> dict[str, Any]:
        roles_now = self.request.user.roles
        return {"builder": User.Role.BUILDER in roles_now, "client": User.Role.CLIENT in roles_now}

    def form_valid(self, form: RolesForm) -> HttpResponse:
        user = self.request.user
        try:
            change_roles(user, actor=Actor.from_request(self.request), **form.changes)
        except roles.RoleChangeError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Saved."))
        return super().form_valid(form)


class RoleEndView(RoleRequiredMixin, View):
    """Ask for confirmation, then remove one of the user's own roles."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest, role: str) -> HttpResponse:
        return self._page(self._role(role))

    def post(self, request: AuthenticatedRequest, role: str) -> HttpResponse:
        removed, user = self._role(role), request.user
        try:
            change_roles(user, remove=[removed], actor=Actor.from_request(request))
        except roles.RoleChangeError as error:
            return self._page(removed, str(error), status=422)
        is_builder = removed == User.Role.BUILDER
        message = gettext("You are no longer a builder.") if is_builder else gettext("You are no longer a client.")
        messages.success(request, message)
        return redirect("accounts:account")

    def _page(self, role: User.Role, error: str = "", status: int = 200) -> HttpResponse:
        return render(self.request, "accounts/role_end.html", {"role": role, "error": error}, status=status)

    @staticmethod
    def _role(slug: str) -> User.Role:
        """Return the role in the URL. Raise 404 if users cannot remove it themselves."""
        role = next((role for role in roles.SELF_SERVICE_ROLES if role.lower() == slug), None)
        if role is None:
            raise Http404
        return role
