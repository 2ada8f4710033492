"""Django admin pages for organizations and memberships. Clerk owns the data."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.admin.access import may_repair
from accounts.admin.access_page import NO_KEY
from accounts.models import Organization, OrganizationMembership, User
from accounts.organizations.removal import is_waiting, request_removal
from audit.admin.filters import parse_user_id
from audit.log import Actor, target_key
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.forms import LineField

Action = AuditLog.Action
#: Members, invitations and changes on an organization's page. The page links to complete lists.
MAX_SHOWN = 50
ACTION_LABELS: dict[str, str | Promise] = {
    Action.ORGANIZATION_CREATED: _("Organization created"),
    Action.ORGANIZATION_UPDATED: _("Organization changed"),
    Action.ORGANIZATION_DELETED: _("Organization deleted"),
    Action.MEMBERSHIP_ADDED: _("Member added"),
    Action.MEMBERSHIP_CHANGED: _("Role changed"),
    Action.MEMBERSHIP_REMOVED: _("Member removed"),
    Action.MEMBERSHIP_REMOVAL_REQUESTED: _("Removal requested"),
}


class RemovalForm(forms.Form):
    reason = LineField(max_length=500, label=_("Reason"), widget=forms.TextInput(attrs={"size": 40}))


class DeletedFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [("active", _("Active")), ("deleted", _("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("active", "deleted"):
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "active")


class OrganizationFilter(admin.SimpleListFilter):
    """Set by the link on an organization's page."""

    title = _("organization")
    parameter_name = "organization"
    is_set_by_links = True

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        chosen = parse_user_id(request.GET.get("organization", ""))
        found = Organization.objects.filter(pk=chosen).first() if chosen is not None else None
        return [(str(found.pk), str(found))] if found else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = parse_user_id(self.value() or "")
        return queryset if chosen is None else queryset.filter(organization=chosen)


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin[Organization]):
    """Organizations in Clerk, including deleted ones."""

    change_form_template = "admin/accounts/organization/change_form.html"
    list_display = ("name_or_id", "status", "member_count", "slug", "clerk_created_at")
    list_filter = (DeletedFilter,)
    help_if_empty = _(
        "Organizations appear here when Clerk sends their events. Subscribe the endpoint to organization.*, "
        "organizationMembership.* and organizationInvitation.* in Clerk’s dashboard. To import existing organizations, run "
        "manage.py reconcile --organizations."
    )
    search_fields = ("=clerk_id", "name", "^slug")
    fields = ("name", "slug", "clerk_id", "clerk_created_at", "clerk_updated_at", "deleted_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        is_live = Q(
            memberships__deleted_at=None, memberships__user__pk__isnull=False, memberships__user__deleted_at=None
        )
        return super().get_queryset(request).annotate(live_members=Count("memberships", filter=is_live))

    @admin.display(description=_("name"), ordering="name")
    def name_or_id(self, organization: Organization) -> str:
        return str(organization)

    @admin.display(description=_("status"))
    def status(self, organization: Organization) -> SafeString:
        return _deleted_or_active(organization)

    @admin.display(description=_("members"))
    def member_count(self, organization: Organization) -> int:
        return 0 if organization.deleted_at else int(getattr(organization, "live_members", 0))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        organization_id = parse_user_id(object_id)
        context = _related_rows(organization_id) if organization_id is not None else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)


@admin.register(OrganizationMembership)
class OrganizationMembershipAdmin(ReadOnlyAdmin[OrganizationMembership]):
    """Memberships in organizations, including deleted ones."""

    change_form_template = "admin/accounts/organizationmembership/change_form.html"
    list_display = ("member", "organization", "status", "role", "clerk_created_at")
    list_filter = (DeletedFilter, OrganizationFilter)
    help_if_empty = _(
        "Members appear here when they join an organization in Clerk. Open “Organizations” to see which exist."
    )
    list_select_related = ("organization",)
    search_fields = ("=clerk_id", "=organization__clerk_id")
    fields = (
        *("user", "user_clerk_id", "organization", "role", "clerk_id"),
        *("clerk_created_at", "clerk_updated_at", "deleted_at"),
    )
    readonly_fields = ("user_clerk_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrganizationMembership]:
        # A join would omit memberships whose user is not known.
        return super().get_queryset(request).prefetch_related("user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OrganizationMembership], search_term: str
    ) -> tuple[QuerySet[OrganizationMembership], bool]:
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        if term := search_term.strip():
            users = User.objects.filter(Q(email__istartswith=term) | Q(name__istartswith=term)).values("clerk_id")
            found |= queryset.filter(Q(user_id=term) | Q(user_id__in=users))
        return found, may_have_duplicates

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.remove))
        url = path("<path:object_id>/remove/", view, name="accounts_organizationmembership_remove")
        return [url, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        membership = self.get_object(request, object_id)
        context = {
            "can_remove": may_repair(request),
            "removal_form": RemovalForm(label_suffix=""),
            "is_removal_waiting": membership is not None and is_waiting(membership),
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue the removal of the member in Clerk."""
        if not may_repair(request):
            raise PermissionDenied
        membership, form = self.get_object(request, object_id), RemovalForm(request.POST)
        if membership is None:
            raise Http404
        if not form.is_valid():
            self.message_user(request, gettext("Nothing was changed. Enter a reason."), messages.ERROR)
        elif not settings.CLERK_SECRET_KEY:
            self.message_user(request, NO_KEY, messages.ERROR)
        elif request_removal(membership, reason=form.cleaned_data["reason"], actor=Actor.from_request(request)):
            message = gettext("The member will be removed in Clerk. Reload this page in a moment to see the result.")
            self.message_user(request, message, messages.SUCCESS)
        else:
            self.message_user(request, gettext("The member is already being removed."), messages.INFO)
        return redirect("admin:accounts_organizationmembership_change", membership.pk)

    @admin.display(description=_("user"))
    def member(self, membership: OrganizationMembership) -> str:
        return str(getattr(membership, "user", membership.user_id))

    @admin.display(description=_("Clerk user ID"))
    def user_clerk_id(self, membership: OrganizationMembership) -> str:
        return str(membership.user_id)

    @admin.display(description=_("status"))
    def status(self, membership: OrganizationMembership) -> SafeString:
        return _deleted_or_active(membership)


def _deleted_or_active(row: Organization | OrganizationMembership) -> SafeString:
    if row.deleted_at:
        return state_cell("neutral", gettext("Deleted"), "ignored")
    return state_cell("good", gettext("Active"))


def _related_rows(organization_id: int) -> dict[str, Any]:
    """Return the members, invitations and changes to show on an organization's page, and whether there are more."""
    members = OrganizationMembership.objects.live().filter(organization=organization_id)
    organization = Organization.objects.filter(pk=organization_id).first()
    if organization is None:
        return {}
    target = target_key(organization)
    rows = AuditLog.objects.filter(target=target).select_related("subject").order_by("-pk")[:MAX_SHOWN]
    return {
        "members": list(members.select_related("user").order_by("-pk")[:MAX_SHOWN]),
        "invitations": list(organization.invitations.filter(erased_at=None)[:MAX_SHOWN]),
        "changes": [(row, ACTION_LABELS.get(row.action, row.action), _role_change(row)) for row in rows],
        "target": target,
    }


def _role_change(row: AuditLog) -> str:
    role = (row.details or {}).get("role", "")
    return " → ".join(map(str, role)) if isinstance(role, list) else str(role)
