"""Signing in and out. Every end of a session makes the event that Clerk sends for it."""

import time

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from local.clerk import tokens
from local.clerk.events import tell
from local.clerk.models import Client, Session, User, now_ms
from local.clerk.serializers import Actor

#: Cookies ignore ports: two copies on one machine must not read each other's.
CLIENT_COOKIE = f"__client_{settings.PORT}"
DEV_BROWSER = "__clerk_db_jwt"
YEAR_S = 365 * 24 * 3600


def client_of(request: HttpRequest) -> Client | None:
    """Return the browser behind `request`; a development instance knows it by the token in the address, too."""
    found = Client.objects.filter(pk=request.COOKIES.get(CLIENT_COOKIE, "")).first()
    if settings.IS_DEVELOPMENT and (token := request.GET.get(DEV_BROWSER, "")):
        return Client.objects.filter(dev_browser=token).first() or found
    return found


def remember(response: HttpResponse, client: Client) -> None:
    """Let the browser keep who it is, where no page of the app can read it."""
    response.set_cookie(CLIENT_COOKIE, client.pk, max_age=YEAR_S, httponly=True, samesite="Lax")


@transaction.atomic
def sign_in(client: Client, person: User, actor: Actor) -> Session:
    """Begin a session of `person` in the browser `client`, instead of the one there is."""
    if current := client.session:
        end(current, Session.Status.REMOVED, actor)
    session = Session.objects.create(client=client, user=person)
    _changed(client, int(time.time()))
    tell("session.created", person, actor, session)
    return session


@transaction.atomic
def end(session: Session, status: Session.Status, actor: Actor) -> None:
    """End a session; nothing happens to one that is over already."""
    session = Session.objects.select_related("client", "user").get(pk=session.pk)
    if session.status != Session.Status.ACTIVE:
        return
    session.status, session.updated_ms = status, now_ms()
    session.save(update_fields=["status", "updated_ms"])
    _changed(session.client, 0)
    tell(f"session.{status}", session.user, actor, session)


def revoke_all(person: User, actor: Actor) -> None:
    """End all sessions of somebody, as banning does."""
    for session in person.sessions.filter(status=Session.Status.ACTIVE):
        end(session, Session.Status.REVOKED, actor)


def cookies_for(client: Client, party: str) -> list[str]:
    """Return the Set-Cookie lines that tell the app who is signed in, each with and without the instance's suffix."""
    session = client.session
    token = tokens.session_token(session, party) if session else ""
    domain = "" if settings.IS_DEVELOPMENT else f"; Domain={settings.COOKIE_DOMAIN}"
    lines = [
        ("__session", token, YEAR_S if session else 0, "Lax", ""),
        ("__client_uat", str(client.changed_s), YEAR_S, "Lax", domain),
    ]
    if settings.IS_DEVELOPMENT:
        lines.append((DEV_BROWSER, client.dev_browser, YEAR_S, "Lax", ""))
    return [
        f"{name}{suffix}={value}; Path=/; Max-Age={age_s}; SameSite={same_site}{where}"
        for name, value, age_s, same_site, where in lines
        for suffix in ("", f"_{settings.COOKIE_SUFFIX}")
    ]


def _changed(client: Client, at_s: int) -> None:
    client.changed_s = at_s
    client.save(update_fields=["changed_s"])
