"""`manage.py clerk_event` prints and posts sample events."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.clerk import samples
from accounts.models import User
from profiles.models import BuilderProfile
from tests.helpers.webhooks import URL
from tests.settings import NEXT_SECRET
from webhooks.inbox import signatures
from webhooks.models import WebhookEvent

SECONDS_2026 = 1_795_521_600
AT = "2026-11-24T12:00:00+00:00"


def clerk_event(*arguments: str) -> str:
    """Run the command and return its output."""
    out = StringIO()
    call_command("clerk_event", *arguments, stdout=out)
    return out.getvalue()


def events(*arguments: str) -> list[dict[str, Any]]:
    """Run the command and parse one event per line."""
    return [json.loads(line) for line in clerk_event(*arguments).splitlines()]


def event(*arguments: str) -> dict[str, Any]:
    [only] = events(*arguments)
    return only


# --- Printing ---


@pytest.mark.parametrize("event_type", sorted(samples.examples()))
def test_any_type_is_printed(event_type: str) -> None:
    printed = event(event_type, "--at", AT)
    assert (printed["type"], printed["object"]) == (event_type, "event")
    assert printed["timestamp"] == SECONDS_2026 * 1000
    assert printed["data"]


@pytest.mark.parametrize("event_type", ("user.created", "email.created"))
@pytest.mark.parametrize("instance_id", ("", "ins_ours"))
def test_event_belongs_to_this_sites_instance(settings: Settings, event_type: str, instance_id: str) -> None:
    settings.CLERK_INSTANCE_ID = instance_id
    assert event(event_type)["instance_id"] == instance_id


def test_same_seed_generates_the_same_user() -> None:
    first, again, other = (event("user.created", "--seed", seed, "--at", AT) for seed in ("7", "7", "8"))
    assert first == again
    assert first["data"]["id"] != other["data"]["id"]


def test_users_differ_without_a_seed() -> None:
    assert event("user.created")["data"]["id"] != event("user.created")["data"]["id"]


def test_several_events_have_different_users_in_order() -> None:
    printed = events("user.created", "--count", "5", "--seed", "7", "--at", AT)
    assert len({each["data"]["id"] for each in printed}) == 5
    assert [each["timestamp"] - SECONDS_2026 * 1000 for each in printed] == [0, 1, 2, 3, 4]


def test_options_set_the_users_fields() -> None:
    options = ["--id", "user_2abc", "--first-name", "Zofia", "--last-name", "Wąs", "--username", "zofia"]
    options += ["--email", "Zofia@Example.com", "--no-verified", "--roles", "BUILDER, CLIENT", "--banned"]
    data = event("user.updated", *options)["data"]
    assert (data["id"], data["username"], data["banned"]) == ("user_2abc", "zofia", True)
    assert (data["first_name"], data["last_name"]) == ("Zofia", "Wąs")
    assert data["public_metadata"] == {"roles": ["BUILDER", "CLIENT"]}
    [address] = data["email_addresses"]
    assert (address["id"], address["email_address"]) == (data["primary_email_address_id"], "Zofia@Example.com")
    assert address["verification"]["status"] == "unverified"


def test_empty_options_remove_the_value() -> None:
    data = event("user.created", "--email", "", "--roles", "")["data"]
    assert (data["email_addresses"], data["primary_email_address_id"]) == ([], None)
    assert data["public_metadata"] == {"roles": []}
    assert event("user.created")["data"]["public_metadata"] == {}


def test_time_without_zone_is_utc() -> None:
    assert event("user.created", "--at", "2026-11-24T12:00:00")["timestamp"] == SECONDS_2026 * 1000


# --- Posting ---


@pytest.mark.parametrize("slash", ("", "/"), ids=("without slash", "with slash"))
def test_posted_event_is_processed(live_server: LiveServer, slash: str) -> None:
    options = ["--id", "user_2abc", "--first-name", "Zofia", "--last-name", "Wąs", "--roles", "BUILDER"]
    printed = clerk_event("user.created", *options, "--url", live_server.url + URL + slash)
    assert printed == 'user.created user_2abc: 200 {"outcome": "processed"}\n'
    assert User.objects.get().name == "Zofia Wąs"
    assert BuilderProfile.objects.count() == 1
    sent = WebhookEvent.objects.get()
    assert sent.svix_id.startswith("msg_")
    assert sent.headers["User-Agent"].startswith("Svix-Webhooks/")


def test_user_is_created_updated_and_deleted(live_server: LiveServer) -> None:
    url = live_server.url + URL
    for event_type, day in (("user.created", 1), ("user.updated", 2), ("user.deleted", 3)):
        clerk_event(event_type, "--id", "user_2abc", "--at", f"2026-11-0{day}", "--url", url, "--email", f"{day}@x.org")
    user = User.objects.get()
    assert (user.email, user.is_active) == ("2@x.org", False)
    assert user.deleted_at is not None


def test_same_svix_id_is_a_duplicate(live_server: LiveServer) -> None:
    options = ["user.created", "--seed", "7", "--at", AT, "--svix-id", "msg_1", "--url", live_server.url + URL]
    assert "processed" in clerk_event(*options)
    assert "duplicate" in clerk_event(*options)
    assert WebhookEvent.objects.get().deliveries == 2


def test_several_events_are_posted_with_different_ids(live_server: LiveServer) -> None:
    clerk_event("user.created", "--count", "3", "--seed", "7", "--url", live_server.url + URL)
    assert (User.objects.count(), WebhookEvent.objects.count()) == (3, 3)


def test_event_is_signed_with_the_given_secret(live_server: LiveServer) -> None:
    clerk_event("role.created", "--url", live_server.url + URL, "--secret", NEXT_SECRET)
    assert WebhookEvent.objects.get().secret_fingerprint == signatures.fingerprint(NEXT_SECRET)


def test_command_fails_if_an_event_is_rejected(live_server: LiveServer, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--secret", "whsec_d3Jvbmc=", "--count", "2"]
    with pytest.raises(CommandError, match=r"2 of 2 events were not accepted\."):
        call_command("clerk_event", "user.created", "--url", live_server.url + URL, *wrong)
    assert capsys.readouterr().out.count('400 {"error": "bad_signature"}') == 2
    assert not WebhookEvent.objects.exists()


class RedirectHandler(BaseHTTPRequestHandler):
    """Responds with the status in the path. Redirects point to a URL that returns 200."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *args: Any) -> None:
        """Suppress log output."""


@pytest.fixture
def status_server() -> Iterator[str]:
    """Return the URL of a server that responds with the requested status."""
    with HTTPServer(("127.0.0.1", 0), RedirectHandler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", (200, 202, 204))
def test_any_2xx_is_a_success(status_server: str, status: int) -> None:
    assert f": {status} " in clerk_event("role.created", "--url", f"{status_server}/{status}")


@pytest.mark.parametrize("status", (301, 302, 303, 307, 308, 404, 410, 500, 503))
def test_other_statuses_are_failures(status_server: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"1 of 1 event was not accepted\."):
        call_command("clerk_event", "role.created", "--url", f"{status_server}/{status}")
    assert f": {status} " in capsys.readouterr().out


# --- Errors ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        pytest.param(["user.levitated"], "user.levitated", id="unknown type"),
        pytest.param([], "TYPE", id="no type"),
        pytest.param(["user.created", "--at", "tomorrow"], "--at must be a date and time", id="time is a word"),
        pytest.param(
            ["user.created", "--at", "2026-13-45T99:00"], "--at must be a date and time", id="impossible time"
        ),
        pytest.param(["user.created", "--count", "many"], "--count", id="count is a word"),
        pytest.param(
            ["user.created", "--url", "ftp://x.example"], "--url must start with http", id="unsupported scheme"
        ),
        pytest.param(["user.created", "--url", "file:///etc/passwd"], "--url must start with http", id="file"),
        pytest.param(["user.created", "--url", "x.example"], "--url must start with http", id="no scheme"),
        pytest.param(["user.created", "--url", "http://"], "Could not post to", id="no host"),
        pytest.param(["user.created", "--url", "http://127.0.0.1:99999/"], "Could not post to", id="port too high"),
        pytest.param(["user.created", "--url", "http://127.0.0.1:http/"], "Could not post to", id="port is a word"),
        pytest.param(["user.created", "--url", "http://x y/"], "Could not post to", id="space in the host"),
        pytest.param(["user.created", "--url", "http://127.0.0.1:{free}/"], "Could not post to", id="no server"),
        pytest.param(
            ["user.created", "--url", "http://x/", "--secret", "whsec_*"],
            "Posting needs a signing secret",
            id="bad secret",
        ),
        pytest.param(["user.created", "--url", "http://[::1/"], "Could not post to", id="unclosed bracket"),
        pytest.param(
            ["role.created", "--url", "http://127.0.0.1:{free}/", "--svix-id", "ł"], "can't encode", id="ID not Latin-1"
        ),
        pytest.param(
            ["role.created", "--url", "http://127.0.0.1:{free}/", "--svix-id", "a\nb"],
            "a.nb",
            id="ID with a line break",
        ),
    ),
)
def test_invalid_arguments_are_reported(arguments: list[str], message: str) -> None:
    with closing(socket.socket()) as unused:  # bound, but not listening
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]
        with pytest.raises(CommandError, match=message):
            clerk_event(*(argument.replace("{free}", str(free)) for argument in arguments))


def test_posting_without_a_secret_is_rejected(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = []
    with pytest.raises(CommandError, match="CLERK_WEBHOOK_SECRET"):
        clerk_event("user.created", "--url", "http://127.0.0.1:9/")


def test_printing_works_without_a_secret(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = []
    assert event("user.created")["type"] == "user.created"
