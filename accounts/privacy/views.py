"""Views for data exports and account deletion."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic.base import View

from accounts.http import AuthenticatedRequest, sign_in_response
from accounts.mixins import RoleRequiredMixin
from accounts.models import DataExport
from accounts.privacy import deletion, exports
from audit.log import Actor


class ExportView(RoleRequiredMixin, View):
    """Request an export of all personal data."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        """Redirect to the account page. Users return here by GET after they sign in again."""
        return redirect("accounts:account")

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        exports.request_export(request.user, actor=Actor.from_request(request))
        messages.success(
            request, gettext("We are preparing a copy of your data. It will be available here in about a minute.")
        )
        return redirect("accounts:account")


@never_cache
@require_safe
def data_export(request: HttpRequest, public_id: UUID) -> HttpResponse:
    if not request.user.is_authenticated:
        return sign_in_response(request)
    export = DataExport.objects.filter(public_id=public_id, user=request.user).first()
    if export is None or not export.is_ready:
        raise Http404
    name = f"buildappswith-{timezone.localdate(export.ready_at):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(bytes(export.archive or b""), content_type="application/zip", headers=headers)


class DeletionView(RoleRequiredMixin, View):
    """Schedule account deletion after confirmation, or cancel a scheduled deletion."""

    request: AuthenticatedRequest
    http_method_names = ["get", "head", "post"]

    def get(self, request: AuthenticatedRequest) -> HttpResponse:
        return render(request, "accounts/account_delete.html", {"days": deletion.COOLING_OFF.days})

    def post(self, request: AuthenticatedRequest) -> HttpResponse:
        try:
            if "keep" in request.POST:
                deletion.cancel_deletion(request.user, actor=Actor.from_request(request))
                messages.success(request, gettext("Account deletion cancelled."))
            else:
                deletion.request_deletion(request.user, actor=Actor.from_request(request))
        except deletion.DeletionError as error:
            messages.error(request, str(error))
        return redirect("accounts:account")
