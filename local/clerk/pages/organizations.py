"""The pages for organizations, their members and invitations."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from local.clerk import organizations as actions
from local.clerk.control_api import actor
from local.clerk.models import Message, Organization, User
from local.clerk.organizations import ROLES, OrganizationError
from local.clerk.pages.views import MAX_USERS, RECENT_MESSAGES

type Action = Callable[[HttpRequest, Organization], str]


@require_http_methods(["GET", "HEAD", "POST"])
def organization_list(request: HttpRequest) -> HttpResponse:
    """List the organizations, and create one."""
    if request.method == "POST":
        creator = User.objects.filter(pk=request.POST.get("creator", "")).first()
        try:
            created = actions.create(
                request.POST.get("name", ""), request.POST.get("slug", ""), creator, actor(request)
            )
        except OrganizationError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{created} created. The organization.created event is queued.")
            return redirect("organization", created.pk)
    found = Organization.objects.prefetch_related("memberships")
    context = {"organizations": found, "users": User.objects.all()[:MAX_USERS], "values": request.POST}
    return render(
        request, "localclerk/organization_list.html", context, status=422 if request.method == "POST" else 200
    )


@require_http_methods(["GET", "HEAD"])
def organization(request: HttpRequest, organization_id: str) -> HttpResponse:
    found = get_object_or_404(Organization, pk=organization_id)
    return render(request, "localclerk/organization.html", _context(found))


@require_POST
def change(request: HttpRequest, organization_id: str, action: str) -> HttpResponse:
    """Change the organization, one of its members or one of its invitations."""
    found = get_object_or_404(Organization, pk=organization_id)
    run = ACTIONS.get(action)
    if run is None:
        return HttpResponse("There is no such action.", status=404, content_type="text/plain")
    try:
        messages.success(request, run(request, found))
    except OrganizationError as error:
        messages.error(request, str(error))
    return redirect("organizations") if action == "delete" else redirect("organization", found.pk)


def _context(organization: Organization) -> dict[str, Any]:
    members = organization.memberships.select_related("user")
    return {
        "organization": organization,
        "members": members,
        "invitations": organization.invitations.all(),
        "roles": ROLES,
        "users": User.objects.exclude(memberships__organization=organization)[:MAX_USERS],
        # Search the text, because events about members are listed under the member.
        "deliveries": Message.objects.filter(body__contains=organization.pk).prefetch_related("attempts")[
            :RECENT_MESSAGES
        ],
    }


def _rename(request: HttpRequest, organization: Organization) -> str:
    is_changed = actions.update(
        organization, request.POST.get("name", "").strip(), request.POST.get("slug", "").strip(), actor(request)
    )
    return (
        "Changes saved. The organization.updated event is queued."
        if is_changed
        else "There were no changes, so no event was sent."
    )


def _delete(request: HttpRequest, organization: Organization) -> str:
    actions.delete(organization, actor(request))
    return f"{organization} deleted. The organization.deleted event is queued."


def _add_member(request: HttpRequest, organization: Organization) -> str:
    user = get_object_or_404(User, pk=request.POST.get("user", ""))
    actions.add_member(organization, user, request.POST.get("role", ""), actor(request))
    return f"{user} added. The organizationMembership.created event is queued."


def _change_role(request: HttpRequest, organization: Organization) -> str:
    membership = get_object_or_404(organization.memberships, pk=request.POST.get("membership", ""))
    actions.change_role(membership, request.POST.get("role", ""), actor(request))
    return f"Role of {membership.user} saved."


def _remove_member(request: HttpRequest, organization: Organization) -> str:
    membership = get_object_or_404(organization.memberships, pk=request.POST.get("membership", ""))
    actions.remove_member(membership, actor(request))
    return f"{membership.user} removed. The organizationMembership.deleted event is queued."


def _invite(request: HttpRequest, organization: Organization) -> str:
    invitation = actions.invite(
        organization, request.POST.get("address", ""), request.POST.get("role", ""), actor(request)
    )
    return f"{invitation.address} invited. The organizationInvitation.created event is queued."


def _revoke(request: HttpRequest, organization: Organization) -> str:
    invitation = get_object_or_404(organization.invitations, pk=request.POST.get("invitation", ""))
    actions.revoke(invitation, actor(request))
    return f"The invitation to {invitation.address} is revoked."


ACTIONS: dict[str, Action] = {
    "rename": _rename,
    "delete": _delete,
    "add-member": _add_member,
    "change-role": _change_role,
    "remove-member": _remove_member,
    "invite": _invite,
    "revoke": _revoke,
}
