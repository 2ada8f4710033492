"""The JSON API for reading profiles: /api/profiles/. What it is for and what it answers: profiles/openapi.py."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic.base import View

from accounts.http import json_error, json_unauthenticated
from accounts.mixins import RoleRequiredMixin
from profiles.cursors import read_cursor
from profiles.mixins import ProfileAccessMixin
from profiles.models import BuilderProfile, ClientProfile
from profiles.openapi import DOCUMENT
from profiles.representations import builder_json, client_json, user_json

PAGE_SIZE = 50


class JsonView(View):
    """Answers in JSON whatever happens, in the same places where a page answers in HTML."""

    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = super().dispatch(request, *args, **kwargs)
        except Http404:
            response = json_error(404, "not_found", "There is no such profile, or it is not yours to see.")
        except PermissionDenied as error:
            response = json_error(403, "forbidden", str(error))
        # What it says depends on who asks.
        add_never_cache_headers(response)
        return response

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = json_error(405, "method_not_allowed", "This address can only be read.")
        response["Allow"] = "GET, HEAD"
        return response

    def refuse_nobody(self, request: HttpRequest) -> HttpResponse:
        """Answer somebody who is not signed in."""
        return json_unauthenticated(request)


class MeView(JsonView, RoleRequiredMixin):
    """Who is signed in, and their profiles."""

    def get(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        builder = BuilderProfile.objects.visible_to(user).filter(user=user).first()
        client = ClientProfile.objects.visible_to(user).filter(user=user).first()
        return JsonResponse(
            {
                "user": user_json(user),
                "builder": builder and builder_json(builder, user),
                "client": client and client_json(client, user),
            }
        )


class BuilderListView(JsonView):
    """The directory: published builders who want to be found, newest first."""

    def get(self, request: HttpRequest) -> HttpResponse:
        before = read_cursor(request.GET.get("before", ""))
        builders = BuilderProfile.objects.listed().order_by("-id")
        if before:
            builders = builders.filter(id__lt=before)
        page = list(builders[: PAGE_SIZE + 1])
        following = page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None
        results = [builder_json(profile, request.user) for profile in page[:PAGE_SIZE]]
        return JsonResponse({"results": results, "next_before": following})


class BuilderView(JsonView, ProfileAccessMixin):
    """One builder."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return JsonResponse(builder_json(self.profile, request.user))


class ClientView(JsonView, ProfileAccessMixin):
    """One client, for the client and for admins."""

    def get_queryset(self) -> QuerySet[Any]:
        return ClientProfile.objects.visible_to(self.request.user)

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return JsonResponse(client_json(self.profile, request.user))


@method_decorator(never_cache, name="dispatch")
class UnknownView(View):
    """Whatever else is asked below /api/."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return json_error(404, "not_found", "The API has no such address; see /api/docs/.")


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Describe the API to programs."""
    return JsonResponse(DOCUMENT)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Describe the API to people."""
    operations = [
        {"path": path, "method": method.upper(), **operation}
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]
    return render(request, "profiles/api_docs.html", {"document": DOCUMENT, "operations": operations})
