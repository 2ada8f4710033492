"""The page that turns off one kind of email, from the link in the email."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.notifications import preferences
from accounts.notifications.unsubscribe import InvalidLink, read_token


@csrf_exempt  # Mail providers send the POST request without cookies (RFC 8058). The token is signed.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for confirmation, because spam filters open links. POST turns the kind off, without signing in."""
    try:
        user, kind = read_token(token)
    except InvalidLink:
        return render(request, "accounts/unsubscribe.html", status=404)
    is_done = request.method == "POST"
    if is_done:
        preferences.turn_off(user, kind)
    return render(request, "accounts/unsubscribe.html", {"kind": kind, "is_done": is_done})
