"""The page on which admins verify their identity again before a serious action."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.security import csp
from accounts.sessions import verification
from core.redirects import is_internal_url


@never_cache
@require_safe
def _verify(request: HttpRequest) -> HttpResponse:
    target = request.GET.get("next", "")
    if not is_internal_url(request, target):
        target = reverse("admin:index")
    if verification.is_recent(request):
        return redirect(target)
    context = {"title": _("Verify your identity"), "target": target, "minutes": verification.MAX_AGE_MINUTES}
    response = render(request, "accounts/verify.html", admin.site.each_context(request) | context)
    csp.set_policy(csp.WIDGETS, request, response)
    return response


verify = admin.site.admin_view(_verify)
