"""The addresses of the API."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic.base import View

from accounts.http import json_error
from accounts.mixins import RoleRequiredMixin
from profiles.api.base import JsonView, ProfileView
from profiles.api.listing import following_of, query_of
from profiles.api.openapi import DOCUMENT
from profiles.api.serializers import READ_ONLY, builder_json, builder_summary_json, client_json, user_json
from profiles.directory.results import find
from profiles.models import BuilderProfile, ClientProfile

PAGE_SIZE = 50


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
        page = find(query_of(request.GET), size=PAGE_SIZE)
        results = [builder_summary_json(profile, request.user) for profile in page.builders]
        return JsonResponse({"results": results, **following_of(page.following)})


class BuilderView(ProfileView):
    """One builder."""

    read_only = READ_ONLY["builder"]

    def represent(self) -> dict[str, Any]:
        """Return the builder."""
        return builder_json(self.profile, self.request.user)


class ClientView(ProfileView):
    """One client, for the client and for admins."""

    read_only = READ_ONLY["client"]

    def get_queryset(self) -> QuerySet[Any]:
        """Return the clients that the viewer may see."""
        return ClientProfile.objects.visible_to(self.request.user)

    def represent(self) -> dict[str, Any]:
        """Return the client."""
        return client_json(self.profile, self.request.user)


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
