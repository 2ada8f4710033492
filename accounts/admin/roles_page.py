"""Admin page for one user's roles."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from accounts.admin.access import may_repair
from accounts.models import AdminGrant, User
from accounts.roles import admin_grants
from accounts.roles.forms import RoleChangesForm
from accounts.roles.permissions import RoleChangeError
from accounts.roles.services import change_roles
from accounts.sessions.verification import restored_fields
from audit.log import Actor
from core.admin.verification import ask_to_verify


class RolesPageMixin(admin.ModelAdmin[User]):
    """Add the page. Every request checks the permission again."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.roles)
        return [path("<path:object_id>/roles/", view, name="accounts_user_roles"), *super().get_urls()]

    def roles(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        user = self.get_object(request, object_id)
        if user is None:
            raise Http404
        data = request.POST if request.method == "POST" else None
        form = RoleChangesForm(data, held=user.roles, initial=restored_fields(request), label_suffix="")
        gives_admin = form.is_valid() and User.Role.ADMIN in form.changes["add"]
        if gives_admin and (response := ask_to_verify(request, request.path)):
            return response
        if form.is_valid() and _change(request, user, form):
            return redirect("admin:accounts_user_change", user.pk)
        context = {"title": _("Change roles"), "person": user, "opts": self.opts, "form": form}
        context["grant"] = AdminGrant.objects.pending().filter(user=user).select_related("requested_by").first()
        return render(request, "admin/accounts/user/roles.html", self.admin_site.each_context(request) | context)


@transaction.atomic
def _change_roles(user: User, form: RoleChangesForm, actor: Actor) -> tuple[list[User.Role], AdminGrant | None]:
    """Change all roles or none. The role Admin may need the approval of another admin.

    Returns:
        The roles that were added or removed, and the request for the role Admin, if any.
    """
    changes, reason, grant = form.changes, form.cleaned_data["reason"], None
    if User.Role.ADMIN in changes["add"]:
        changes["add"].remove(User.Role.ADMIN)
        grant = admin_grants.give_admin(user, reason=reason, actor=actor)
    changed = change_roles(user, actor=actor, reason=reason, **changes) if any(changes.values()) else []
    return changed, grant


def _change(request: HttpRequest, user: User, form: RoleChangesForm) -> bool:
    """Change the roles, and return whether the change was allowed."""
    try:
        changed, grant = _change_roles(user, form, Actor.from_request(request))
    except RoleChangeError as error:
        form.add_error(None, str(error))
        return False
    is_pending = grant is not None and grant.state == AdminGrant.State.PENDING
    if is_pending:
        messages.warning(request, _("The role Admin needs the approval of another admin. All admins are notified."))
    if changed or (grant and not is_pending):
        messages.success(request, _("Roles changed and recorded in the audit log."))
    elif not grant:
        messages.info(request, _("Nothing was changed, because the user already has these roles."))
    return True
