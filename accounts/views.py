"""The account: what it is, what happened to it, and what can be done about it."""

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
from audit.log import Origin


@method_decorator(never_cache, name="dispatch")
class AccountView(RoleRequiredMixin, TemplateView):
    """Show who is signed in, which profiles that makes, what happened lately, and the ways out."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head"]

    def get_template_names(self) -> list[str]:
        """Return the page that waits, for somebody of whom only a token has told."""
        return ["accounts/setting_up.html" if self.request.user.is_provisional else "accounts/account.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add what there is to tell."""
        user = self.request.user
        if user.is_provisional:
            return super().get_context_data(**context)
        return super().get_context_data(
            **context, activity=activity.recent_activity(user), export=exports.current_export(user)
        )


class ExportView(RoleRequiredMixin, View):
    """Have everything that is held about the person put together."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Lead to the button, whoever comes back here after signing in again."""
        return redirect("accounts:account")

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        """Ask for it, and go back to the account, which says when it is there."""
        exports.request_export(request.user, actor=request.user, origin=Origin.from_request(request))
        messages.success(request, gettext("A copy of your data is being made. You find it here in a minute."))
        return redirect("accounts:account")


@never_cache
@require_safe
def data_export(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Hand out what is held about the person who is signed in, if it is ready and its time is not over."""
    if not request.user.is_authenticated:
        return sign_in_response(request)
    export = DataExport.objects.filter(public_id=public_id, user=request.user).first()
    if export is None or not export.is_ready:
        raise Http404
    name = f"buildappswith-{timezone.localdate(export.ready_at):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(bytes(export.archive or b""), content_type="application/zip", headers=headers)


class DeletionView(RoleRequiredMixin, View):
    """Ask whether to delete the account, then have it done after a week; or keep it after all."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Say what follows."""
        return render(request, "accounts/account_delete.html", {"cool_off": deletion.COOLING_OFF.days})

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        """Delete the account when the time to change one's mind is over, or keep it, as chosen."""
        who: dict[str, Any] = {"actor": request.user, "origin": Origin.from_request(request)}
        try:
            if "keep" in request.POST:
                deletion.cancel_deletion(request.user, **who)
                messages.success(request, gettext("Your account stays."))
            else:
                deletion.request_deletion(request.user, **who)
        except deletion.DeletionError as error:
            messages.error(request, str(error))
        return redirect("accounts:account")


class RolesView(RoleRequiredMixin, PreservedFormMixin, FormView):  # type: ignore[type-arg]
    """Ask somebody who is signed in what they are here for."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    form_class = RolesForm
    template_name = "accounts/roles_form.html"
    success_url = reverse_lazy("accounts:account")

    def get_initial(self) -> dict[str, Any]:
        """Tick what the person is now."""
        roles_now = self.request.user.roles
        return {"builder": User.Role.BUILDER in roles_now, "client": User.Role.CLIENT in roles_now}

    def form_valid(self, form: Any) -> HttpResponse:
        """Change the roles, and go back to the account."""
        user = self.request.user
        try:
            change_roles(user, actor=user, origin=Origin.from_request(self.request), **form.changes)
        except roles.RoleChangeError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Saved."))
        return super().form_valid(form)


class RoleEndView(RoleRequiredMixin, View):
    """Ask whether to stop being a builder or a client, then do it."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest, role: str) -> HttpResponse:
        """Say what follows."""
        return self._page(self._role(role))

    def post(self, request: AuthenticatedRequest, role: str) -> HttpResponse:
        """Give the role up, and go back to the account."""
        given_up, user = self._role(role), request.user
        try:
            change_roles(user, remove=[given_up], actor=user, origin=Origin.from_request(request))
        except roles.RoleChangeError as error:
            return self._page(given_up, str(error), status=422)
        is_builder = given_up == User.Role.BUILDER
        told = gettext("You are not a builder any more.") if is_builder else gettext("You are not a client any more.")
        messages.success(request, told)
        return redirect("accounts:account")

    def _page(self, role: User.Role, trouble: str = "", status: int = 200) -> HttpResponse:
        return render(self.request, "accounts/role_end.html", {"role": role, "trouble": trouble}, status=status)

    @staticmethod
    def _role(word: str) -> User.Role:
        """Return the role that the address names, if people may give it up."""
        role = next((role for role in roles.SELF_SERVICE_ROLES if role.lower() == word), None)
        if role is None:
            raise Http404
        return role
