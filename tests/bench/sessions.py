"""Compare the cost of authentication with Clerk's token and with Django's session, in alternating rounds."""

import statistics
import time
from collections.abc import Callable

import django

ROUNDS, REQUESTS = 15, 200


def main() -> None:
    django.setup()
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.middleware import AuthenticationMiddleware
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.middleware import SessionMiddleware
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory

    from accounts.middleware import ClerkAuthenticationMiddleware
    from accounts.models import User
    from config.database import close_pools
    from tests.helpers.tokens import mint

    user = User.objects.get_or_create(clerk_id="user_2bench", clerk_version="1", password="!")[0]
    session = SessionStore()
    session.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    session.create()

    def page(request: HttpRequest) -> HttpResponse:
        assert request.user.pk == user.pk
        return HttpResponse()

    with_django = SessionMiddleware(AuthenticationMiddleware(page))
    with_clerk = ClerkAuthenticationMiddleware(page)
    factory = RequestFactory()
    # Signed once, because the token stays valid for the whole benchmark.
    clerk_cookies = f"__clerk_db_jwt=dvb_1; __client_uat=1; __session={mint('user_2bench', lifetime_s=3600)}"
    variants: dict[str, Callable[[], object]] = {
        "Clerk's token": lambda: with_clerk(factory.get("/account/", headers={"cookie": clerk_cookies})),
        "Django's session": lambda: with_django(
            factory.get("/account/", headers={"cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"})
        ),
    }
    compare(variants)
    close_pools()


def compare(variants: dict[str, Callable[[], object]]) -> None:
    durations: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(ROUNDS + 1):
        for name in list(variants)[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            for _ in range(REQUESTS):
                variants[name]()
            if number:  # the first round is a warm-up
                durations[name].append(1000 * (time.perf_counter() - started) / REQUESTS)
    clerk, own = (statistics.median(durations[name]) for name in variants)
    print(
        f"\nAuthentication takes {clerk:.2f} ms with Clerk's token, {own:.2f} ms with Django's session, medians of {ROUNDS}."
    )
    print(f"A token costs {clerk / own:.2f} of a session. The target is 1.00 at most.")


if __name__ == "__main__":
    main()
