"""The Frontend API: what browsers ask of Clerk. Paths and shapes: clerk/openapi-specs, fapi; @clerk/clerk-js 6."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from local.clerk import serializers, sessions, tokens, users
from local.clerk.api import BadRequest, actor, error_response, filled, read_body
from local.clerk.models import Client, Session, User

HANDSHAKE = "__clerk_handshake"
PERSONAS = 30


def for_browsers(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer scripts on pages of the app, with their cookies, and those of no other site."""

    @csrf_exempt  # the origin is checked instead, as Clerk does
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        origin = request.headers.get("Origin", "")
        if origin and origin not in settings.ORIGINS:
            return error_response(400, "origin_invalid", "The Origin header is none of this instance.")
        try:
            response = HttpResponse(status=204) if request.method == "OPTIONS" else view(request, *args, **kwargs)
        except BadRequest as error:
            response = error_response(422, "form_param_invalid", str(error))
        except (User.DoesNotExist, Session.DoesNotExist):
            response = error_response(404, "resource_not_found", "not found")
        if origin:
            response["Access-Control-Allow-Origin"], response["Access-Control-Allow-Credentials"] = origin, "true"
            response["Access-Control-Allow-Headers"], response["Access-Control-Allow-Methods"] = "content-type", "*"
        patch_vary_headers(response, ["Origin"])
        add_never_cache_headers(response)
        return response

    return wrapped


@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    """Show the key that tokens are signed with."""
    return JsonResponse(tokens.jwks())


@require_safe
def handshake(request: HttpRequest) -> HttpResponse:
    """Send a browser back to the page it came from, with the cookies that are right for it now."""
    target = urlsplit(request.GET.get("redirect_url", ""))
    party = f"{target.scheme}://{target.netloc}"
    if party not in settings.ORIGINS:
        return error_response(400, "redirect_url_invalid", "redirect_url is no page of this instance's app.")
    client = sessions.client_of(request) or Client.objects.create()
    token = tokens.handshake_token(sessions.cookies_for(client, party))
    if settings.IS_DEVELOPMENT:
        response = HttpResponseRedirect(
            with_parameter(request.GET["redirect_url"], HANDSHAKE, token), preserve_request=True
        )
    else:
        response = HttpResponseRedirect(request.GET["redirect_url"], preserve_request=True)
        response.set_cookie(HANDSHAKE, token, max_age=60, domain=settings.COOKIE_DOMAIN, samesite="Lax")
    sessions.remember(response, client)
    add_never_cache_headers(response)
    return response


@for_browsers
@require_safe
def client(request: HttpRequest) -> HttpResponse:
    """Tell a page who is signed in, and who might."""
    found = sessions.client_of(request) or Client.objects.create()
    return _told(request, found)


@for_browsers
@require_POST
def sign_ins(request: HttpRequest) -> HttpResponse:
    """Sign somebody in by a click on the name: there are no passwords here."""
    person = User.objects.get(pk=read_body(request, "user_id").get("user_id") or "")
    return _signed_in(request, person)


@for_browsers
@require_POST
def sign_ups(request: HttpRequest) -> HttpResponse:
    """Create somebody, and sign them in."""
    person = filled(User(), read_body(request))
    taken = {email["address"].casefold() for known in User.objects.all() for email in known.emails}
    if any(email["address"].casefold() in taken for email in person.emails):
        return error_response(422, "form_identifier_exists", "That email address is taken. Please try another.")
    users.create(person, actor(request))
    return _signed_in(request, person)


@for_browsers
@require_POST
def session_token(request: HttpRequest, session_id: str) -> HttpResponse:
    """Give a page a fresh token."""
    session = _own_session(request, session_id)
    if session.status != Session.Status.ACTIVE:
        return error_response(404, "resource_not_found", "The session is over.")
    party = request.headers.get("Origin", "")
    token = tokens.session_token(session, party)
    return JsonResponse({"object": "token", "jwt": token, "cookies": sessions.cookies_for(session.client, party)})


@for_browsers
@require_POST
def session_end(request: HttpRequest, session_id: str, verb: str) -> HttpResponse:
    """Sign out."""
    session = _own_session(request, session_id)
    status = Session.Status.ENDED if verb == "end" else Session.Status.REMOVED
    sessions.end(session, status, actor(request))
    return _told(request, session.client)


def with_parameter(url: str, name: str, value: str) -> str:
    """Return `url` with one parameter more in its query."""
    parts = urlsplit(url)
    query = QueryDict(parts.query, mutable=True)
    query[name] = value
    return urlunsplit(parts._replace(query=query.urlencode()))


def _own_session(request: HttpRequest, session_id: str) -> Session:
    return Session.objects.select_related("client").get(pk=session_id, client=sessions.client_of(request))


def _signed_in(request: HttpRequest, person: User) -> HttpResponse:
    if person.banned or person.locked:
        return error_response(403, "user_banned", f"{person} may not sign in.")
    found = sessions.client_of(request) or Client.objects.create()
    sessions.sign_in(found, person, actor(request))
    return _told(request, found)


def _told(request: HttpRequest, found: Client) -> HttpResponse:
    """Return the client as clerk-js keeps it, and what its cookies on the app's host have to be."""
    found.refresh_from_db()
    session = found.session
    told = {
        "object": "client",
        "id": found.pk,
        "sessions": [serializers.session(session)] if session else [],
        "last_active_session_id": session.pk if session else None,
        "cookies": sessions.cookies_for(found, request.headers.get("Origin", "")),
        "personas": [{"id": p.pk, "label": str(p), "roles": p.roles} for p in _personas()],
    }
    response = JsonResponse({"response": told})
    sessions.remember(response, found)
    return response


def _personas() -> list[User]:
    return list(User.objects.filter(banned=False, locked=False).order_by("created_ms")[:PERSONAS])
