"""Base classes of the API views."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.views.generic.base import View

from accounts.http import json_error, json_unauthenticated
from accounts.models import User
from accounts.roles.permissions import RoleChangeError
from profiles import flags, lifecycle, slug_history
from profiles.api import etags, patching
from profiles.api.errors import ApiError
from profiles.api.parsers import check_parameters, read_object
from profiles.editing import services as editing
from profiles.mixins import ProfileAccessMixin
from profiles.models import Profile
from profiles.permissions import Permission, Viewer

DISABLED = "The API is switched off. Try again later."


class JsonView(View):
    """Base view that returns JSON for every response, including errors."""

    http_method_names = ["get", "head"]
    #: Names of the query parameters that the view reads. Requests with others are rejected, because a typing mistake in a
    #: filter would return unfiltered results.
    query_parameters: frozenset[str] = frozenset()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = self._dispatch(request, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            # The response depends on the user.
            add_never_cache_headers(response)
        return response

    def _dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A 404 would make clients treat their copy of the profile as deleted.
        if not flags.public_api(request):
            return json_error(503, "switched_off", DISABLED)
        try:
            check_parameters(request, self.query_parameters)
            return super().dispatch(request, *args, **kwargs)
        except Http404:
            return json_error(404, "not_found", "This profile does not exist, or you cannot view it.")
        except PermissionDenied as error:
            return json_error(403, "forbidden", str(error))
        except ApiError as error:
            return error.response()

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = ", ".join(method.upper() for method in self.http_method_names if hasattr(self, method))
        response = json_error(405, "method_not_allowed", f"Use one of these methods: {allowed}.")
        response["Allow"] = allowed
        return response

    def handle_anonymous(self, request: HttpRequest) -> HttpResponse:
        return json_unauthenticated(request)


class ProfileView[P: Profile](JsonView, ProfileAccessMixin[P]):
    """Read, change and delete one profile."""

    http_method_names = ["get", "head", "patch", "delete"]
    PERMISSION_BY_METHOD: dict[str, Permission] = {"PATCH": "edit", "DELETE": "delete"}
    #: Fields of the response that cannot be changed.
    read_only: frozenset[str]

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.required = self.PERMISSION_BY_METHOD.get(request.method or "", "view")

    def represent(self) -> dict[str, Any]:
        raise NotImplementedError

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        response: HttpResponse = JsonResponse(self.represent())
        etag = etags.etag_of(response.content)
        if etags.matches_if_none_match(request, etag):
            response = HttpResponse(status=304)
            del response["Content-Type"]
        response["ETag"] = etag
        patch_cache_control(response, private=True, no_cache=True)
        return response

    def patch(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Validate all fields, save the changes and return the profile. If any field is invalid, save nothing."""
        etags.require_condition(request)
        data = read_object(request)
        with transaction.atomic():
            self.lock()
            etags.check_condition(request, self.etag())
            self.save(patching.validated(self.profile, data, self.read_only))
        self.profile = self.get_profile(pk=pk)
        return self.get(request, pk)

    def delete(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete the profile, and remove its role from the user."""
        etags.require_condition(request)
        with transaction.atomic():
            # Lock order: users before profiles.
            User.objects.select_for_update(no_key=True).get(pk=self.profile.user_id)
            self.lock()
            etags.check_condition(request, self.etag())
            try:
                lifecycle.delete(self.profile, actor=self.actor)
            except RoleChangeError as error:
                raise ApiError(409, "role_stays", str(error)) from None
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response

    def save(self, new: dict[str, Any]) -> None:
        """Save validated values. If the owner sends an availability, confirm it even if it has not changed."""
        confirms = "availability" in new and self.access.role == Viewer.OWNER
        try:
            editing.save(self.profile, new, actor=self.actor, extra=editing.confirmation(new) if confirms else {})
        except slug_history.SlugTaken:
            raise patching.invalid({"slug": [str(slug_history.SLUG_TAKEN)]}) from None

    def lock(self) -> None:
        self.profile = lifecycle.lock_profile(self.profile)

    def etag(self) -> str:
        return etags.etag_of(JsonResponse(self.represent()).content)
