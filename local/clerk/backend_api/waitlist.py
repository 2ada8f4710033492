"""The waitlist. https://clerk.com/docs/reference/backend-api/tag/waitlist-entries"""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods, require_POST

from local.clerk import leads, serializers
from local.clerk.backend_api import listing, metadata
from local.clerk.backend_api.fault_injection import error
from local.clerk.backend_api.invitations import refuse_if_limited
from local.clerk.backend_api.views import backend_api
from local.clerk.control_api import actor
from local.clerk.leads import LeadError
from local.clerk.models import WaitlistEntry


@backend_api
@require_http_methods(["GET", "POST"])
def entries(request: HttpRequest) -> HttpResponse:
    """List entries with their total number, newest first, or add an address."""
    if request.method == "POST":
        return _join(request)
    status = request.GET.get("status")
    found = WaitlistEntry.objects.select_related("invitation")
    found = found.filter(status=status) if status else found
    data = [serializers.waitlist_entry(entry) for entry in listing.part(found, request.GET)]
    return JsonResponse({"data": data, "total_count": found.count()})


@backend_api
@require_http_methods(["DELETE"])
def entry(request: HttpRequest, entry_id: str) -> HttpResponse:
    """Delete a pending entry."""
    try:
        leads.delete(entry_id)
    except LeadError as problem:
        return error(409, problem.code, str(problem))
    return JsonResponse({"object": "waitlist_entry", "id": entry_id, "deleted": True})


@backend_api
@require_POST
def decide(request: HttpRequest, entry_id: str, verb: str) -> HttpResponse:
    """Approve an entry, which invites the person, or reject it."""
    if verb == "invite" and (response := refuse_if_limited()):
        return response
    change = leads.approve if verb == "invite" else leads.reject
    try:
        return JsonResponse(serializers.waitlist_entry(change(entry_id, actor(request))))
    except LeadError as problem:
        return error(409, problem.code, str(problem))


def _join(request: HttpRequest) -> HttpResponse:
    metadata.read(request.body)
    address = json.loads(request.body).get("email_address")
    if not isinstance(address, str) or "@" not in address:
        return error(422, "form_param_format_invalid", "email_address must be an email address.")
    return JsonResponse(serializers.waitlist_entry(leads.join(address, actor(request))))
