"""Signing in, up and out. The forms are Clerk's own components; without Clerk's script they cannot be shown."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_safe
from django.views.generic.edit import FormView

from accounts import policies, roles, sessions
from accounts.clerk import cookies, instance
from accounts.drafts import DraftMixin
from accounts.forms import RolesForm
from accounts.http import AuthenticatedRequest, sign_in_answer
from accounts.mixins import RoleRequiredMixin
from accounts.models import DataExport, User
from audit.log import Origin


@never_cache
@require_safe
@csp_override(policies.WIDGETS)
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show Clerk's sign-in form; who is signed in already moves on."""
    return _widget_page(request, "accounts/sign_in.html")


@never_cache
@require_safe
@csp_override(policies.WIDGETS)
def sign_up(request: HttpRequest) -> HttpResponse:
    """Show Clerk's sign-up form; who is signed in already moves on."""
    return _widget_page(request, "accounts/sign_up.html")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ask whether to sign out; on POST end the session here at once, and at Clerk."""
    if request.method != "POST":
        return render(request, "accounts/sign_out.html")
    sessions.sign_out(request)
    response = redirect("profiles:home")
    _forget_token(response)
    return response


@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Show who is signed in, and what this account is."""
    if not request.user.is_authenticated:
        return sign_in_answer(request)
    template = "accounts/setting_up.html" if request.user.is_provisional else "accounts/account.html"
    return render(request, template)


@never_cache
@require_safe
def data_export(request: HttpRequest, link: UUID) -> HttpResponse:
    """Hand out what is held about the person who is signed in, if it is ready and its time is not over."""
    if not request.user.is_authenticated:
        return sign_in_answer(request)
    export = DataExport.objects.filter(link=link, user=request.user).first()
    if export is None or not export.is_ready:
        raise Http404
    name = f"buildappswith-{timezone.localdate(export.ready_at):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(bytes(export.archive or b""), content_type="application/zip", headers=headers)


class RolesView(RoleRequiredMixin, DraftMixin, FormView):  # type: ignore[type-arg]
    """Ask somebody who is signed in what they are here for."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]
    form_class = RolesForm
    template_name = "accounts/roles_form.html"
    success_url = reverse_lazy("accounts:account")

    def get_initial(self) -> dict[str, Any]:
        """Tick what the person is now."""
        roles_now = self.request.user.roles
        return {"builder": User.Role.BUILDER in roles_now, "client": User.Role.CLIENT in roles_now}

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show the form again with what is wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def form_valid(self, form: Any) -> HttpResponse:
        """Change the roles, and go back to the account."""
        user = self.request.user
        try:
            roles.change(user, actor=user, origin=Origin.of_request(self.request), **form.changes)
        except roles.RoleChangeError as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        self.forget_draft()
        messages.success(self.request, gettext("Saved."))
        return super().form_valid(form)


def _widget_page(request: HttpRequest, template: str) -> HttpResponse:
    target = _safe_target(request)
    if request.user.is_authenticated:
        return redirect(target)
    return render(request, template, {"target": target})


def _safe_target(request: HttpRequest) -> str:
    """Return the page to land on: one of our own, or the account."""
    target = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if is_ours and not target.startswith(reverse("accounts:sign_in")) else reverse("accounts:account")


def _forget_token(response: HttpResponse) -> None:
    configured = instance.current()
    suffixes = ("", f"_{configured.cookie_suffix}") if configured else ("",)
    for suffix in suffixes:
        response.delete_cookie(f"{cookies.SESSION}{suffix}", samesite="Lax")
