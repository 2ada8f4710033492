"""The API views."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic.base import View

from accounts.http import AuthenticatedRequest, json_error
from accounts.mixins import RoleRequiredMixin
from accounts.public_pages import from_replica
from profiles.api.base import JsonView, ProfileView
from profiles.api.errors import ApiError
from profiles.api.listing import PARAMETER_NAMES, describe_search, next_page_links, parse_query
from profiles.api.openapi import DOCUMENT
from profiles.api.parsers import check_parameters
from profiles.api.schemas import READ_ONLY
from profiles.api.serializers import builder_json, builder_summary_json, client_json, user_json
from profiles.directory.search import find
from profiles.models import BuilderProfile, ClientProfile

PAGE_SIZE = 50


class MeView(JsonView, RoleRequiredMixin):
    """The signed-in user and their profiles."""

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        user = request.user
        builder = BuilderProfile.objects.visible_to(user).filter(user=user).first()
        client = ClientProfile.objects.visible_to(user).filter(user=user).first()
        return JsonResponse(
            {
                "user": user_json(user),
                "builder": builder and builder_json(builder, user),
                "client": client and client_json(client, user),
            }
        )


@method_decorator(from_replica, name="dispatch")
class BuilderListView(JsonView):
    """Listed builders, newest first."""

    query_parameters = PARAMETER_NAMES

    def get(self, request: HttpRequest) -> HttpResponse:
        page = find(parse_query(request.GET), size=PAGE_SIZE)
        results = [builder_summary_json(profile, request.user) for profile in page.builders]
        return JsonResponse({"results": results, "search": describe_search(page), **next_page_links(page.next_query)})


class BuilderView(ProfileView[BuilderProfile]):
    read_only = READ_ONLY["builder"]

    def get_profiles(self) -> QuerySet[BuilderProfile]:
        return BuilderProfile.objects.enumerable_by(self.request.user)

    def represent(self) -> dict[str, Any]:
        return builder_json(self.profile, self.request.user)


class ClientView(ProfileView[ClientProfile]):
    """A client profile. Only its owner and admins can view it."""

    read_only = READ_ONLY["client"]

    def get_profiles(self) -> QuerySet[ClientProfile]:
        return ClientProfile.objects.visible_to(self.request.user)

    def represent(self) -> dict[str, Any]:
        return client_json(self.profile, self.request.user)


@method_decorator(never_cache, name="dispatch")
class UnknownView(View):
    """Return a JSON 404 for all other URLs under /api/."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return json_error(404, "not_found", "This URL does not exist. See /api/docs/.")


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    try:
        check_parameters(request, frozenset())
    except ApiError as error:
        return error.response()
    return JsonResponse(DOCUMENT)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    operations = [
        {"path": path, "method": method.upper(), **operation}
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]
    return render(request, "profiles/api_docs.html", {"document": DOCUMENT, "operations": operations})
