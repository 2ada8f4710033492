"""manage.py clerk_event: print a sample Clerk event, or sign and post it like Svix."""

import http.client
import secrets
from argparse import BooleanOptionalAction
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from accounts.clerk import samples
from accounts.clerk.payloads import USER_TYPES
from core.english import counted
from webhooks.inbox import signatures

#: Svix times out after the same number of seconds.
TIMEOUT_S = 15


class Command(BaseCommand):
    help = "Print a Clerk event of any type, or post it, signed, to an endpoint: manage.py clerk_event user.created"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "event_type", choices=sorted(samples.examples()), metavar="TYPE", help="such as user.created"
        )
        parser.add_argument("--url", help="the endpoint to post to; by default the event is printed")
        parser.add_argument(
            "--secret", help="the endpoint's signing secret; by default the first of CLERK_WEBHOOK_SECRET"
        )
        parser.add_argument("--svix-id", help="the message ID, to repeat a delivery; by default a new one")
        parser.add_argument("--count", type=int, default=1, help="the number of different events (default 1)")
        parser.add_argument("--seed", type=int, help="seed of the random users, to generate the same ones again")
        parser.add_argument("--at", help="the time of the event in ISO 8601 (default now)")
        user = parser.add_argument_group("user events")
        user.add_argument("--id", help="the user's Clerk ID, to update or delete an existing user")
        user.add_argument("--first-name")
        user.add_argument("--last-name")
        user.add_argument("--username")
        user.add_argument("--email", help='the primary email address; "" for none')
        user.add_argument(
            "--verified", action=BooleanOptionalAction, default=True, help="whether the email address is verified"
        )
        user.add_argument("--roles", help='separated by commas, such as BUILDER,CLIENT; "" for no roles')
        user.add_argument("--banned", action="store_true")

    def handle(self, *, event_type: str, url: str | None, count: int, **options: Any) -> None:
        random = Random(options["seed"])  # noqa: S311  # made-up people, not secrets
        first = _parse_time(options["at"])
        failures = 0
        for number in range(count):
            envelope = _envelope(event_type, random, first + timedelta(milliseconds=number), options)
            body = samples.encode(envelope)
            if url is None:
                self.stdout.write(body)
                continue
            status, answer = post(url, body, _secret(options["secret"]), options["svix_id"] or _new_svix_id())
            failures += status >= 300
            self.stdout.write(f"{event_type} {samples.subject_id(envelope)}: {status} {answer}")
        if failures:
            verb = "was" if failures == 1 else "were"
            raise CommandError(f"{failures} of {counted(count, 'event')} {verb} not accepted.")


class RefuseRedirects(HTTPRedirectHandler):
    """Treats redirects as failures, like Svix."""

    def redirect_request(self, *args: Any) -> None:
        """Return no follow-up request."""


def post(url: str, body: str, secret: str, svix_id: str) -> tuple[int, str]:
    """Sign and post `body`, and return the status and text of the response. Redirects are not followed.

    Raises:
        CommandError: the URL or the ID is invalid, or the server does not respond.
    """
    headers = signatures.sign(body, secret, svix_id=svix_id) | {
        "Content-Type": "application/json",
        "User-Agent": "Svix-Webhooks/1.60 (manage.py clerk_event)",
    }
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--url must start with http:// or https://, not {url!r}.")
    try:
        request = Request(url, body.encode(), headers)  # noqa: S310  # checked above
        with build_opener(RefuseRedirects).open(request, timeout=TIMEOUT_S) as response:
            return response.status, response.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, error.read().decode(errors="replace")[:500]
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise CommandError(f"Could not post to {url}: {error}.") from None


def _envelope(event_type: str, random: Random, at: datetime, options: dict[str, Any]) -> dict[str, Any]:
    # The samples name an instance of their own, so their events would be reported as sent by another instance.
    instance = {"instance_id": settings.CLERK_INSTANCE_ID}
    if event_type in USER_TYPES:
        user = samples.SampleUser.generate(random, **_facts(options), updated_at=at)
        return samples.user_event(event_type, user) | instance
    [example, *_] = samples.examples()[event_type]
    return example | {"timestamp": samples.milliseconds(at)} | instance


def _facts(options: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the options. All other values of the sample user are generated."""
    named = {"clerk_id": "id", "first_name": "first_name", "last_name": "last_name", "username": "username"}
    facts = {fact: options[option] for fact, option in named.items() if options[option] is not None}
    if options["email"] is not None:
        facts["email"] = options["email"] or None
    if options["roles"] is not None:
        facts["roles"] = [role.strip() for role in options["roles"].split(",") if role.strip()]
    return facts | {"email_verified": options["verified"], "banned": options["banned"]}


def _parse_time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"--at must be a date and time such as 2026-11-24T12:00:00+00:00, not {text!r}.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _secret(option: str | None) -> str:
    secret = option or next(iter(settings.CLERK_WEBHOOK_SECRETS), "")
    if not signatures.is_usable(secret):
        raise CommandError("Posting needs a signing secret: use --secret whsec_… or set CLERK_WEBHOOK_SECRET.")
    return secret


def _new_svix_id() -> str:
    return samples.new_id(Random(secrets.randbits(128)), "msg")  # noqa: S311  # unique, not secret
