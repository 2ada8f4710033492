"""What the views of the API share."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.views.generic.base import View

from accounts import roles
from accounts.http import json_error, json_unauthenticated
from accounts.models import User
from profiles import flags, lifecycle, slug_history
from profiles.api import etags, patching
from profiles.api.errors import ApiError
from profiles.api.parsers import read_object
from profiles.editing import services as editing
from profiles.mixins import ProfileAccessMixin
from profiles.permissions import Permission, Viewer

OFF = "The API is switched off for now."


class JsonView(View):
    """Answers in JSON whatever happens, in the same places where a page answers in HTML."""

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = self._answer(request, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            # What it says depends on who asks.
            add_never_cache_headers(response)
        return response

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Not 404: a program that keeps copies would take the profile for deleted.
        if not flags.public_api(request):
            return json_error(503, "switched_off", OFF)
        try:
            return super().dispatch(request, *args, **kwargs)
        except Http404:
            return json_error(404, "not_found", "There is no such profile, or it is not yours to see.")
        except PermissionDenied as error:
            return json_error(403, "forbidden", str(error))
        except ApiError as error:
            return error.response()

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = ", ".join(method.upper() for method in self.http_method_names if hasattr(self, method))
        response = json_error(405, "method_not_allowed", f"This address takes {allowed}.")
        response["Allow"] = allowed
        return response

    def handle_anonymous(self, request: HttpRequest) -> HttpResponse:
        """Answer somebody who is not signed in."""
        return json_unauthenticated(request)


class ProfileView(JsonView, ProfileAccessMixin):
    """One profile: to read, to change and to delete."""

    http_method_names = ["get", "head", "patch", "delete"]
    PERMISSION_BY_METHOD: dict[str, Permission] = {"PATCH": "edit", "DELETE": "delete"}
    #: Names in the answer that cannot be changed.
    read_only: frozenset[str]

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Require what the method does."""
        super().setup(request, *args, **kwargs)
        self.required = self.PERMISSION_BY_METHOD.get(request.method or "", "view")

    def represent(self) -> dict[str, Any]:
        """Return what the viewer may see of `self.profile`."""
        raise NotImplementedError

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the profile, or 304 to whoever has it already."""
        response = JsonResponse(self.represent())
        etag = etags.etag_of(response.content)
        if etags.is_known(request, etag):
            response = HttpResponse(status=304)  # type: ignore[assignment]
            del response["Content-Type"]
        response["ETag"] = etag
        patch_cache_control(response, private=True, no_cache=True)
        return response

    def patch(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change the fields that are sent, all or none, and return the profile."""
        etags.require_condition(request)
        given = read_object(request)
        with transaction.atomic():
            self.lock()
            etags.check_condition(request, self.etag())
            self.save(patching.validated(self.profile, given, self.read_only))
        self.profile = self.get_profile(pk=pk)
        return self.get(request, pk)

    def delete(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete the profile, and with it give up the role."""
        etags.require_condition(request)
        with transaction.atomic():
            # Users are locked before profiles everywhere.
            User.objects.select_for_update(no_key=True).get(pk=self.profile.user_id)
            self.lock()
            etags.check_condition(request, self.etag())
            try:
                lifecycle.delete(self.profile, **self.audit_context)
            except roles.RoleChangeError as error:
                raise ApiError(409, "role_stays", str(error)) from None
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response

    def save(self, new: dict[str, Any]) -> None:
        """Write what is valid. As on pages, owners confirm their availability by saying it, be it the same as before."""
        confirms = "availability" in new and self.access.role == Viewer.OWNER
        extra = {"availability_confirmed_at": timezone.now()} if confirms else {}
        try:
            editing.save(self.profile, new, **self.audit_context, extra=extra)
        except slug_history.SlugTaken:
            raise patching.invalid({"slug": [str(slug_history.SLUG_TAKEN)]}) from None

    def lock(self) -> None:
        """Lock the profile, as it is now."""
        self.profile = lifecycle.lock_profile(self.profile)

    def etag(self) -> str:
        """Return the tag of what the viewer would read now."""
        return etags.etag_of(JsonResponse(self.represent()).content)
