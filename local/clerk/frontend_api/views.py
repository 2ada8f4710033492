"""The Frontend API, which browsers call. Sources: clerk/openapi-specs, fapi; @clerk/clerk-js 6."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from local.clerk import email_addresses, leads, serializers, users
from local.clerk.control_api import BadRequest, actor, apply_data, error_response, read_body
from local.clerk.frontend_api import sessions, tokens
from local.clerk.models import Client, Session, User, now_ms

HANDSHAKE = "__clerk_handshake"
#: Users offered on the sign-in page.
MAX_SIGN_IN_USERS = 30


def frontend_api(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Allow cross-origin requests with cookies, but only from the app's origins."""

    @csrf_exempt  # like Clerk, the view checks the origin instead
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        origin = request.headers.get("Origin", "")
        if origin and origin not in settings.ORIGINS:
            return error_response(400, "origin_invalid", "The Origin header is not an origin of this instance's app.")
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
    return JsonResponse(tokens.jwks())


@require_safe
def handshake(request: HttpRequest) -> HttpResponse:
    """Redirect a browser back to its page, with a token that contains its current cookies."""
    target = urlsplit(request.GET.get("redirect_url", ""))
    party = f"{target.scheme}://{target.netloc}"
    if party not in settings.ORIGINS:
        return error_response(400, "redirect_url_invalid", "redirect_url is not a page of this instance's app.")
    client = sessions.get_client(request) or Client.objects.create()
    lines = sessions.cookies_for(client, party)
    if settings.IS_DEVELOPMENT:
        token = tokens.handshake_token(lines)
        url = with_parameter(request.GET["redirect_url"], HANDSHAKE, token)
        response = HttpResponseRedirect(url, preserve_request=True)
    else:
        # The app deletes the token's cookie, so that it is used once.
        deletion = f"{HANDSHAKE}=; Path=/; Domain={settings.COOKIE_DOMAIN}; Max-Age=0"
        token = tokens.handshake_token([deletion, *lines])
        response = HttpResponseRedirect(request.GET["redirect_url"], preserve_request=True)
        response.set_cookie(HANDSHAKE, token, max_age=60, domain=settings.COOKIE_DOMAIN, samesite="Lax")
    sessions.set_client_cookie(response, client)
    add_never_cache_headers(response)
    return response


@frontend_api
@require_safe
def client(request: HttpRequest) -> HttpResponse:
    """Return the browser's session and the users who can sign in."""
    return _client_response(request, sessions.get_client(request) or Client.objects.create())


@frontend_api
@require_POST
def sign_ins(request: HttpRequest) -> HttpResponse:
    """Sign a user in by id, without a password."""
    user = User.objects.get(pk=read_body(request, "user_id").get("user_id") or "")
    return _signed_in(request, user)


@frontend_api
@require_POST
def sign_ups(request: HttpRequest) -> HttpResponse:
    user = apply_data(User(), read_body(request))
    if any(email_addresses.is_taken(email["address"]) for email in user.emails):
        return error_response(422, "form_identifier_exists", "That email address is taken. Please try another.")
    leads.add_metadata(user)
    with transaction.atomic():
        users.create(user, actor(request))
        leads.accept(user, actor(request))
    return _signed_in(request, user)


@frontend_api
@require_POST
def session_token(request: HttpRequest, session_id: str) -> HttpResponse:
    session = _own_session(request, session_id)
    if session.status != Session.Status.ACTIVE:
        return error_response(404, "resource_not_found", "The session has ended.")
    party = request.headers.get("Origin", "")
    token = tokens.session_token(session, party)
    return JsonResponse({"object": "token", "jwt": token, "cookies": sessions.cookies_for(session.client, party)})


@frontend_api
@require_POST
def session_end(request: HttpRequest, session_id: str, verb: str) -> HttpResponse:
    session = _own_session(request, session_id)
    status = Session.Status.ENDED if verb == "end" else Session.Status.REMOVED
    sessions.end(session, status, actor(request))
    return _client_response(request, session.client)


@frontend_api
@require_POST
def session_verify(request: HttpRequest, session_id: str) -> HttpResponse:
    """Verify the first factor of a session again, without a password."""
    session = _own_session(request, session_id)
    sessions.verify(session, now_ms())
    return _client_response(request, session.client)


def with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = QueryDict(parts.query, mutable=True)
    query[name] = value
    return urlunsplit(parts._replace(query=query.urlencode()))


def _own_session(request: HttpRequest, session_id: str) -> Session:
    return Session.objects.select_related("client").get(pk=session_id, client=sessions.get_client(request))


def _signed_in(request: HttpRequest, user: User) -> HttpResponse:
    if user.banned or user.locked:
        return error_response(403, "user_banned", f"{user} is banned or locked.")
    client = sessions.get_client(request) or Client.objects.create()
    sessions.sign_in(client, user, actor(request))
    return _client_response(request, client)


def _client_response(request: HttpRequest, client: Client) -> HttpResponse:
    """Return the client in the format that clerk-js expects, with the cookies for the app's host."""
    client.refresh_from_db()
    session = client.session
    data = {
        "object": "client",
        "id": client.pk,
        "sessions": [serializers.session(session)] if session else [],
        "last_active_session_id": session.pk if session else None,
        "cookies": sessions.cookies_for(client, request.headers.get("Origin", "")),
        "users": [{"id": user.pk, "label": str(user), "roles": user.roles} for user in users_to_sign_in()],
    }
    response = JsonResponse({"response": data})
    sessions.set_client_cookie(response, client)
    return response


def users_to_sign_in() -> list[User]:
    """Return the users offered for signing in, in the order in which they signed up."""
    return list(User.objects.filter(banned=False, locked=False).order_by("created_ms")[:MAX_SIGN_IN_USERS])
