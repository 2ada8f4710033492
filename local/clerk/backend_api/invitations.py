"""Invitations by email. https://clerk.com/docs/reference/backend-api/tag/invitations

No email is sent. A user who signs up with the address accepts the invitation.
"""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods, require_POST

from local.clerk import email_addresses, leads, serializers
from local.clerk.backend_api import listing, metadata, rate_limits
from local.clerk.backend_api.fault_injection import error
from local.clerk.backend_api.views import backend_api
from local.clerk.control_api import actor
from local.clerk.leads import LeadError
from local.clerk.models import Invitation


@backend_api
@require_http_methods(["GET", "POST"])
def invitations(request: HttpRequest) -> HttpResponse:
    """List invitations as a bare array, or create one."""
    return _create(request) if request.method == "POST" else _list(request)


@backend_api
@require_POST
def revoke(request: HttpRequest, invitation_id: str) -> HttpResponse:
    try:
        return JsonResponse(serializers.invitation(leads.revoke(invitation_id, actor(request))))
    except LeadError as problem:
        return error(400, problem.code, str(problem))


def refuse_if_limited() -> HttpResponse | None:
    """Count an invitation, and return an error if there were too many within the hour."""
    wait_s = rate_limits.count("invitations", rate_limits.INVITATIONS, rate_limits.INVITATION_WINDOW_S)
    if not wait_s:
        return None
    return error(429, "too_many_requests", "Too many requests. Please try again in a bit.", Retry_After=str(wait_s))


def _list(request: HttpRequest) -> HttpResponse:
    """List invitations, newest first. Revoked invitations are listed only with `status=revoked`."""
    status = request.GET.get("status")
    found = Invitation.objects.filter(status=status) if status else Invitation.objects.exclude(status="revoked")
    return JsonResponse([serializers.invitation(row) for row in listing.part(found, request.GET)], safe=False)


def _create(request: HttpRequest) -> HttpResponse:
    """Create an invitation, unless the address has a pending one or belongs to a user."""
    if response := refuse_if_limited():
        return response
    given = metadata.read(request.body)
    body: dict[str, Any] = json.loads(request.body)
    address = body.get("email_address")
    if not isinstance(address, str) or "@" not in address:
        return error(422, "form_param_format_invalid", "email_address must be an email address.")
    if not body.get("ignore_existing") and (problem := _problem(address)):
        return problem
    values = metadata.validate_size(given.get("public_metadata", {}))
    return JsonResponse(serializers.invitation(leads.invite(address, values, actor(request))))


def _problem(address: str) -> HttpResponse | None:
    if Invitation.objects.filter(address=address.casefold(), status=Invitation.Status.PENDING).exists():
        return error(400, "duplicate_record", "There is already a pending invitation for this email address.")
    if email_addresses.is_taken(address):
        return error(422, "form_identifier_exists", "That email address is taken. Please try another.")
    return None
