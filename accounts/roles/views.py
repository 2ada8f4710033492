"""Views for a user's own roles."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext
from django.views.generic.base import View
from django.views.generic.edit import FormView

from accounts.http import AuthenticatedRequest
from accounts.mixins import RoleRequiredMixin
from accounts.models import User
from accounts.roles.forms import RolesForm
from accounts.roles.permissions import RoleChangeError
from accounts.roles.services import change_roles
from accounts.sessions.preserved_forms import PreservedFormMixin
from audit.log import Actor


class RolesView(RoleRequiredMixin, PreservedFormMixin[RolesForm], FormView[RolesForm]):
    """Let users change their own roles."""

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
        except RoleChangeError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.discard_preserved_form()
        messages.success(self.request, gettext("Saved."))
        return super().form_valid(form)


class RoleEndView(RoleRequiredMixin, View):
    """Remove one of the user's own roles after confirmation."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest, role: str) -> HttpResponse:
        return self._page(self._role(role))

    def post(self, request: AuthenticatedRequest, role: str) -> HttpResponse:
        removed, user = self._role(role), request.user
        try:
            change_roles(user, remove=[removed], actor=Actor.from_request(request))
        except RoleChangeError as error:
            return self._page(removed, str(error), status=422)
        is_builder = removed == User.Role.BUILDER
        message = gettext("You are no longer a builder.") if is_builder else gettext("You are no longer a client.")
        messages.success(request, message)
        return redirect("accounts:account")

    def _page(self, role: User.Role, error: str = "", status: int = 200) -> HttpResponse:
        return render(self.request, "accounts/role_end.html", {"role": role, "error": error}, status=status)

    @staticmethod
    def _role(slug: str) -> User.Role:
        """Return the role with this slug. Raise 404 if users cannot remove the role themselves."""
        role = next((role for role in User.SELF_SERVICE_ROLES if role.lower() == slug), None)
        if role is None:
            raise Http404
        return role
