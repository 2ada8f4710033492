"""The pages for sessions and signing in, and the scripts that the app's pages load."""

from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.csp import CSP
from django.views.decorators.cache import never_cache
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from local.clerk.control_api import actor
from local.clerk.frontend_api import sessions
from local.clerk.frontend_api.views import users_to_sign_in, with_parameter
from local.clerk.models import Client, Session, User, now_ms

SCRIPTS = Path(__file__).parent.parent / "scripts"
MAX_SESSIONS = 100
# The response to the form redirects to the app, and Chromium also applies form-action to redirects.
SIGN_IN_CSP: dict[str, list[str]] = {**settings.SECURE_CSP, "form-action": [CSP.SELF, *sorted(settings.ORIGINS)]}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@csp_override(SIGN_IN_CSP)
def sign_in(request: HttpRequest) -> HttpResponse:
    """Let the visitor choose a user, then redirect to the app. This works without JavaScript."""
    target = (request.POST or request.GET).get("redirect_url", "") or f"{settings.APP_URL}/account/"
    parts = urlsplit(target)
    if f"{parts.scheme}://{parts.netloc}" not in settings.ORIGINS:
        return HttpResponseBadRequest("redirect_url is not a page of this instance's app.", content_type="text/plain")
    if request.method != "POST":
        return render(request, "localclerk/sign_in.html", {"users": users_to_sign_in(), "redirect_url": target})
    user = get_object_or_404(User, pk=request.POST.get("user_id", ""), banned=False, locked=False)
    client = sessions.get_client(request) or Client.objects.create()
    sessions.sign_in(client, user, actor(request))
    response = redirect(_with_dev_browser(target, client))
    sessions.set_client_cookie(response, client)
    return response


@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    found = Session.objects.select_related("user")[:MAX_SESSIONS]
    return render(request, "localclerk/session_list.html", {"sessions": found})


@require_POST
def session_revoke(request: HttpRequest, session_id: str) -> HttpResponse:
    session = get_object_or_404(Session, pk=session_id)
    sessions.end(session, Session.Status.REVOKED, actor(request))
    messages.success(request, f"Session {session} revoked. The session.revoked event is queued.")
    return redirect("sessions")


@require_POST
def session_verify(request: HttpRequest, session_id: str) -> HttpResponse:
    """Verify a session again, or pretend that its verification is an hour old."""
    session = get_object_or_404(Session, pk=session_id)
    is_expired = "expire" in request.POST
    sessions.verify(session, now_ms() - 3_600_000 if is_expired else now_ms())
    result = "has no recent verification" if is_expired else "is verified again"
    messages.success(request, f"Session {session} {result}. The next session token contains it.")
    return redirect("sessions")


@require_safe
def clerk_script(request: HttpRequest, version: str) -> FileResponse:
    """Return the replacement for clerk-js."""
    return _script("clerk.browser.js")


@require_safe
def ui_script(request: HttpRequest, version: str) -> FileResponse:
    """Return the replacement for Clerk's components."""
    return _script("ui.browser.js")


def _with_dev_browser(target: str, client: Client) -> str:
    return with_parameter(target, sessions.DEV_BROWSER, client.dev_browser) if settings.IS_DEVELOPMENT else target


def _script(name: str) -> FileResponse:
    response = FileResponse((SCRIPTS / name).open("rb"), content_type="text/javascript")
    # Pages load the script with crossorigin="anonymous".
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Cache-Control"] = "no-cache"
    return response
