"""Invitations by email. https://clerk.com/docs/reference/backend/invitations/create-invitation

No email is sent. A user who signs up with the address accepts the invitation.
"""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from local.clerk import email_addresses
from local.clerk.backend_api import metadata, rate_limits
from local.clerk.backend_api.fault_injection import error
from local.clerk.backend_api.views import backend_api
from local.clerk.models import Invitation


@backend_api
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Create an invitation, unless the address has a pending one or belongs to a user."""
    wait_s = rate_limits.count("invitations", rate_limits.INVITATIONS, rate_limits.INVITATION_WINDOW_S)
    if wait_s:
        return error(429, "too_many_requests", "Too many requests. Please try again in a bit.", Retry_After=str(wait_s))
    given = metadata.read(request.body)
    body: dict[str, Any] = json.loads(request.body)
    address = body.get("email_address")
    if not isinstance(address, str) or "@" not in address:
        return error(422, "form_param_format_invalid", "email_address must be an email address.")
    if not body.get("ignore_existing") and (problem := _problem(address)):
        return problem
    values = metadata.validate_size(given.get("public_metadata", {}))
    return JsonResponse(_serialize(Invitation.objects.create(address=address.casefold(), public_metadata=values)))


def _problem(address: str) -> HttpResponse | None:
    if Invitation.objects.filter(address=address.casefold(), status=Invitation.Status.PENDING).exists():
        return error(400, "duplicate_record", "There is already a pending invitation for this email address.")
    if email_addresses.is_taken(address):
        return error(422, "form_identifier_exists", "That email address is taken. Please try another.")
    return None


def _serialize(invitation: Invitation) -> dict[str, Any]:
    return {
        "object": "invitation",
        "id": invitation.pk,
        "email_address": invitation.address,
        "public_metadata": invitation.public_metadata,
        "status": invitation.status,
        "created_at": invitation.created_ms,
        "updated_at": invitation.created_ms,
    }
