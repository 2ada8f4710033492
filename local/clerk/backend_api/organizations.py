"""The Backend API for organizations. Lists are objects with `data` and `total_count`.

https://clerk.com/docs/reference/backend/organization/get-organization-list
"""

import json
from collections.abc import Callable
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk import organizations as actions
from local.clerk import serializers
from local.clerk.backend_api import listing, metadata
from local.clerk.backend_api.fault_injection import error
from local.clerk.backend_api.listing import InvalidQuery
from local.clerk.backend_api.views import backend_api as _backend_api
from local.clerk.control_api import actor
from local.clerk.models import Membership, Organization, OrganizationInvitation, User
from local.clerk.organizations import OrganizationError

type View = Callable[..., HttpResponse]


def backend_api(view: View) -> View:
    """Also return the errors of organizations in Clerk's format."""

    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (Organization.DoesNotExist, Membership.DoesNotExist, OrganizationInvitation.DoesNotExist):
            return error(404, "resource_not_found", "not found")
        except OrganizationError as exception:
            return error(exception.status, exception.code, str(exception))

    return _backend_api(answered)


@backend_api
@require_http_methods(["GET", "HEAD", "POST"])
def organizations(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        body = _body(request)
        creator = User.objects.get(pk=body["created_by"]) if body.get("created_by") else None
        created = actions.create(_text(body, "name"), _text(body, "slug"), creator, actor(request))
        return JsonResponse(serializers.organization(created))
    found = Organization.objects.all()
    if words := request.GET.get("query", "").replace("\x00", ""):
        found = found.filter(models.Q(name__icontains=words) | models.Q(slug__icontains=words) | models.Q(pk=words))
    return _page(request, found, serializers.organization)


@backend_api
@require_http_methods(["GET", "HEAD", "PATCH", "DELETE"])
def organization(request: HttpRequest, organization_id: str) -> HttpResponse:
    found = Organization.objects.get(pk=organization_id)
    if request.method == "DELETE":
        actions.delete(found, actor(request))
        return JsonResponse(serializers.deleted_organization(found))
    if request.method == "PATCH":
        body = _body(request)
        actions.update(found, _text(body, "name", found.name), _text(body, "slug", found.slug), actor(request))
    return JsonResponse(serializers.organization(found))


@backend_api
@require_http_methods(["GET", "HEAD", "POST"])
def memberships(request: HttpRequest, organization_id: str) -> HttpResponse:
    found = Organization.objects.get(pk=organization_id)
    if request.method == "POST":
        body = _body(request)
        user = User.objects.get(pk=_text(body, "user_id"))
        return JsonResponse(
            serializers.membership(actions.add_member(found, user, _text(body, "role"), actor(request)))
        )
    return _page(request, _members().filter(organization=found), serializers.membership)


@backend_api
@require_http_methods(["PATCH", "DELETE"])
def membership(request: HttpRequest, organization_id: str, user_id: str) -> HttpResponse:
    found = _members().get(organization_id=organization_id, user_id=user_id)
    if request.method == "DELETE":
        actions.remove_member(found, actor(request))
    else:
        actions.change_role(found, _text(_body(request), "role"), actor(request))
    return JsonResponse(serializers.membership(found))


@backend_api
@require_safe
def all_memberships(request: HttpRequest) -> HttpResponse:
    """List all memberships of the instance."""
    return _page(request, _members(), serializers.membership)


@backend_api
@require_safe
def memberships_of_user(request: HttpRequest, user_id: str) -> HttpResponse:
    return _page(request, _members().filter(user=User.objects.get(pk=user_id)), serializers.membership)


@backend_api
@require_http_methods(["GET", "HEAD", "POST"])
def invitations(request: HttpRequest, organization_id: str) -> HttpResponse:
    found = Organization.objects.get(pk=organization_id)
    if request.method == "POST":
        body = _body(request)
        created = actions.invite(found, _text(body, "email_address"), _text(body, "role"), actor(request))
        return JsonResponse(serializers.organization_invitation(created))
    return _page(request, _with_status(request, found.invitations.all()), serializers.organization_invitation)


@backend_api
@require_safe
def all_invitations(request: HttpRequest) -> HttpResponse:
    """List all invitations of the instance to its organizations."""
    found = _with_status(request, OrganizationInvitation.objects.select_related("organization"))
    return _page(request, found, _listed_invitation)


def _listed_invitation(invitation: OrganizationInvitation) -> dict[str, Any]:
    """Return an entry of the instance's list. Its documented schema contains neither the user nor the expiry."""
    data, organization = serializers.organization_invitation(invitation), invitation.organization
    del data["user_id"], data["expires_at"]
    return data | {
        "public_organization_data": {"id": organization.id, "name": organization.name, "slug": organization.slug}
    }


def _with_status(
    request: HttpRequest, found: models.QuerySet[OrganizationInvitation]
) -> models.QuerySet[OrganizationInvitation]:
    """Return invitations with one of the statuses in the query, or all if the query has none."""
    wanted = set(request.GET.getlist("status"))
    if unknown := wanted - {*OrganizationInvitation.Status.values, "expired"}:
        raise InvalidQuery(f"status must not be {', '.join(sorted(unknown))}.")
    return found.filter(status__in=wanted) if wanted else found


@backend_api
@require_POST
def invitation_revoke(request: HttpRequest, organization_id: str, invitation_id: str) -> HttpResponse:
    found = OrganizationInvitation.objects.select_related("organization").get(
        organization_id=organization_id, pk=invitation_id
    )
    actions.revoke(found, actor(request))
    return JsonResponse(serializers.organization_invitation(found))


def _members() -> models.QuerySet[Membership]:
    return Membership.objects.select_related("organization", "user")


def _page[R: models.Model](
    request: HttpRequest, found: models.QuerySet[R], serialize: Callable[[R], dict[str, Any]]
) -> HttpResponse:
    """Return a page selected by `limit`, `offset` and `order_by`. Only the order created_at is supported."""
    limit, offset = (listing.number(request.GET, name, default) for name, default in (("limit", 10), ("offset", 0)))
    order = request.GET.get("order_by", "-created_at").lstrip(" ")
    if not 1 <= limit <= listing.MAX_USERS or offset < 0 or order.lstrip("+-") != "created_at":
        raise InvalidQuery(
            f"limit must be 1 to {listing.MAX_USERS}, offset must not be negative, order_by must be created_at."
        )
    sign = "-" if order.startswith("-") else ""
    rows = found.order_by(f"{sign}created_ms", f"{sign}id")[offset : offset + limit]
    return JsonResponse({"data": [serialize(row) for row in rows], "total_count": found.count()})


def _body(request: HttpRequest) -> dict[str, Any]:
    metadata.read(request.body)  # rejects bodies that are not JSON objects
    body: dict[str, Any] = json.loads(request.body)
    return body


def _text(body: dict[str, Any], name: str, default: str = "") -> str:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise OrganizationError(f"{name} must be a string.", "form_param_type_invalid")
    return default if value is None else value
