"""Mixins for views that require sign-in or a role."""

from typing import Any

from django.contrib.auth.mixins import AccessMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.generic.base import View

from accounts.http import sign_in_response
from accounts.models import User


class RoleRequiredMixin(AccessMixin, View):
    """Require one of `roles`, or only sign-in if `roles` is empty.

    Signed-in users without the role get 403. Anonymous visitors are redirected to sign in.
    """

    roles: tuple[User.Role, ...] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self.handle_anonymous(request)
        if self.roles and not any(request.user.has_role(role) for role in self.roles):
            raise PermissionDenied(f"This needs one of the roles {', '.join(self.roles)}.")
        return super().dispatch(request, *args, **kwargs)

    def handle_anonymous(self, request: HttpRequest) -> HttpResponse:
        """Return the response for anonymous visitors. JSON views override this."""
        return sign_in_response(request)
