"""Signing in and out. Starting and ending a session publishes the same events as Clerk."""

import time

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from local.clerk.events.publishing import publish
from local.clerk.frontend_api import tokens
from local.clerk.models import Client, Session, User, now_ms
from local.clerk.serializers import Actor

#: The name contains the port, because cookies ignore ports and two copies on one machine must not share cookies.
CLIENT_COOKIE = f"__client_{settings.PORT}"
DEV_BROWSER = "__clerk_db_jwt"
YEAR_S = 365 * 24 * 3600


def get_client(request: HttpRequest) -> Client | None:
    """Return the browser that sent `request`. A development instance also accepts the token in the URL."""
    client = Client.objects.filter(pk=request.COOKIES.get(CLIENT_COOKIE, "")).first()
    if settings.IS_DEVELOPMENT and (token := request.GET.get(DEV_BROWSER, "")):
        return Client.objects.filter(dev_browser=token).first() or client
    return client


def set_client_cookie(response: HttpResponse, client: Client) -> None:
    """Set the cookie that identifies the browser. Pages of the app cannot read it.

    A production instance also sets the time of the last change on the domain that it shares with the app. From it, the app
    notices a sign-in on Clerk's own pages.
    """
    response.set_cookie(CLIENT_COOKIE, client.pk, max_age=YEAR_S, httponly=True, samesite="Lax")
    if settings.IS_DEVELOPMENT:
        return
    for name in ("__client_uat", f"__client_uat_{settings.COOKIE_SUFFIX}"):
        domain, changed_s = settings.COOKIE_DOMAIN, str(client.changed_s)
        response.set_cookie(name, changed_s, max_age=YEAR_S, domain=domain, samesite="Lax")


@transaction.atomic
def sign_in(client: Client, user: User, actor: Actor) -> Session:
    """Start a session in the browser `client`, and end the browser's current session."""
    if current := client.session:
        end(current, Session.Status.REMOVED, actor)
    session = Session.objects.create(client=client, user=user)
    _set_changed(client, int(time.time()))
    publish("session.created", user, actor, session)
    return session


@transaction.atomic
def end(session: Session, status: Session.Status, actor: Actor) -> None:
    """End a session, unless it has already ended."""
    session = Session.objects.select_related("client", "user").get(pk=session.pk)
    if session.status != Session.Status.ACTIVE:
        return
    session.status, session.updated_ms = status, now_ms()
    session.save(update_fields=["status", "updated_ms"])
    _set_changed(session.client, 0)
    publish(f"session.{status}", session.user, actor, session)


def verify(session: Session, at_ms: int) -> None:
    """Record that the user verified the first factor again, without an event."""
    session.verified_ms = at_ms
    session.save(update_fields=["verified_ms"])


def revoke_all(user: User, actor: Actor) -> None:
    for session in user.sessions.filter(status=Session.Status.ACTIVE):
        end(session, Session.Status.REVOKED, actor)


def cookies_for(client: Client, party: str) -> list[str]:
    """Return the Set-Cookie lines for the app's host, each with and without the instance's suffix."""
    session = client.session
    token = tokens.session_token(session, party) if session else ""
    shared_domain = "" if settings.IS_DEVELOPMENT else f"; Domain={settings.COOKIE_DOMAIN}"
    lines = [
        ("__session", token, YEAR_S if session else 0, "Lax", ""),
        ("__client_uat", str(client.changed_s), YEAR_S, "Lax", shared_domain),
    ]
    if settings.IS_DEVELOPMENT:
        lines.append((DEV_BROWSER, client.dev_browser, YEAR_S, "Lax", ""))
    return [
        f"{name}{suffix}={value}; Path=/; Max-Age={age_s}; SameSite={same_site}{domain}"
        for name, value, age_s, same_site, domain in lines
        for suffix in ("", f"_{settings.COOKIE_SUFFIX}")
    ]


def _set_changed(client: Client, at_s: int) -> None:
    client.changed_s = at_s
    client.save(update_fields=["changed_s"])
