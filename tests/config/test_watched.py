"""What a running server and worker tell Sentry and the log: what went wrong, where, and nothing about people."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts.clerk import samples
from tests.config import watched_jobs
from tests.helpers.factories import UserFactory
from tests.helpers.processes import UNWATCHED, gunicorn, process, wait_until
from tests.helpers.sentry import Receiver, receiver
from tests.helpers.tokens import mint
from tests.helpers.webhooks import URL, new_svix_id, person
from tests.settings import SECRET
from webhooks.inbox import signatures

pytestmark = pytest.mark.django_db(transaction=True)

OLIVE = "olive.secret@example.com"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WATCHED = {"DJANGO_SETTINGS_MODULE": "tests.config.watched", "LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def sentry() -> Iterator[Receiver]:
    with receiver() as received:
        yield received


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched") / "log.txt"


@pytest.fixture(scope="module")
def site(sentry: Receiver, log: Path, database_url: str) -> Iterator[httpx.Client]:
    with (
        gunicorn(database_url, log, workers=1, configuration=UNWATCHED, **environ(sentry)) as url,
        httpx.Client(base_url=url, timeout=15, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def nothing_yet(sentry: Receiver) -> None:
    sentry.bodies.clear()


def environ(sentry: Receiver) -> dict[str, str]:
    return WATCHED | {"WATCHED_DSN": f"http://publickey@127.0.0.1:{sentry.port}/1"}


def lines(log: Path, logger: str = "") -> list[dict[str, Any]]:
    """Return the lines of a log, each of which has to be JSON."""
    told = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in told if line["logger"].startswith(logger)]


def after(log: Path, request_id: str) -> list[dict[str, Any]]:
    """Return what was logged about a request, once its last line is there."""
    wait_until(
        lambda: any(line.get("request_id") == request_id for line in lines(log, "gunicorn.access")),
        f"the request {request_id} is not in the log",
    )
    return [line for line in lines(log) if line.get("request_id") == request_id]


def post_failing_form(site: httpx.Client, request_id: str) -> tuple[str, int, list[str]]:
    """Post personal and secret things to a page that fails; return its answer and all that may be nowhere."""
    user = UserFactory.create(email=OLIVE)
    token = mint(str(user.clerk_id))
    signature = signatures.sign("{}", SECRET, svix_id="msg_x")["svix-signature"]
    headers = {
        "svix-signature": signature,
        "x-request-id": request_id,
        "traceparent": f"00-{TRACE}-{SPAN}-01",
        "cookie": f"__session={token}; __client_uat=1; __clerk_db_jwt=dvb_any",
        "user-agent": "OliveBrowser/1",
        "referer": "http://testserver/?looking=for-olive",
        "x-forwarded-for": "203.0.113.77",
    }
    form = {"email": OLIVE, "password": "hunter2hunter2"}
    response = site.post("/fails/?search=private-words", data=form, headers=headers)
    assert response.status_code == 500
    personal = [
        OLIVE,
        "hunter2",
        token,
        signature,
        "OliveBrowser",
        "for-olive",
        "203.0.113.77",
        "private-words",
        "dvb_any",
    ]
    return response.headers["x-request-id"], user.pk, personal


def test_a_page_that_fails_is_told_once_and_says_nothing_about_people(site: httpx.Client, sentry: Receiver) -> None:
    request_id, user_id, personal = post_failing_form(site, "proxy-4711-a")
    wait_until(lambda: sentry.bodies, "Sentry was not told")
    [event] = sentry.items()
    assert (event["release"], event["environment"], event["transaction"]) == ("1.2.3", "staging", "/fails/")
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["tags"] == {"request_id": "proxy-4711-a"} == {"request_id": request_id}
    assert event["user"] == {"id": str(user_id)}
    assert "About to fail for %s (%s)." in sentry.bodies[0]
    assert [word for word in personal if word in sentry.bodies[0]] == []
    assert "request" not in event


def test_a_page_that_fails_is_logged_with_request_person_and_trace(site: httpx.Client, log: Path) -> None:
    request_id, user_id, personal = post_failing_form(site, "proxy-4711-b")
    told = after(log, request_id)
    [error] = [line for line in told if line["logger"] == "django.request"]
    assert (error["level"], error["user_id"], error["dd.service"]) == ("error", user_id, "buildappswith")
    assert error["error.kind"] == "builtins.ValueError"
    assert 'in fail\n    raise ValueError(f"No such person' in error["error.stack"]
    assert (error["trace_id"], error["span_id"]) == (TRACE, SPAN)
    assert (error["dd.trace_id"], error["dd.span_id"]) == (str(int(TRACE[16:], 16)), str(int(SPAN, 16)))
    access = told[-1]
    assert (access["method"], access["path"], access["status"]) == ("POST", "/fails/", 500)
    assert access["ms"] > 0
    assert access["user_id"] == user_id
    assert [word for word in personal if word in json.dumps(told, ensure_ascii=False)] == []


@pytest.mark.parametrize("given", ("", "short", "x" * 65, "with space 1234", "a" * 12 + "@b.co", '{"evil": 123456}'))
def test_only_a_decent_request_id_is_taken_over(site: httpx.Client, given: str) -> None:
    assert len(site.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"]) == 32
    assert site.get("/healthz", headers={"x-request-id": "a1b2c3d4"}).headers["x-request-id"] == "a1b2c3d4"


@pytest.mark.parametrize("given", ("junk", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{SPAN}"))
def test_what_is_no_trace_is_left_out(site: httpx.Client, log: Path, given: str) -> None:
    [line] = after(log, site.get("/healthz", headers={"traceparent": given}).headers["x-request-id"])
    assert not {"trace_id", "dd.trace_id"} & line.keys()


def test_refused_strangers_are_no_errors(site: httpx.Client, sentry: Receiver) -> None:
    assert site.post(URL, content=b"{}", headers={"svix-signature": "v1,bad"}).status_code == 400
    assert site.get("/nowhere/").status_code == 404
    assert site.get("/healthz", headers={"host": "evil.example.com"}).status_code in (200, 400)
    assert site.get("/builders/", headers={"host": "evil.example.com"}).status_code == 400
    assert site.post("/account/roles/", data={"a": "b"}).status_code == 403
    # What is sent is sent in order, so the one that counts shows that none came before.
    post_failing_form(site, "the-one-that-counts")
    wait_until(lambda: sentry.bodies, "Sentry was not told")
    assert [event["tags"]["request_id"] for event in sentry.items()] == ["the-one-that-counts"]


def test_a_delivery_is_on_all_lines_about_it_and_its_content_on_none(site: httpx.Client, log: Path) -> None:
    zofia, svix_id = person(first_name="Zofiątko"), new_svix_id()
    envelope = samples.user_event("user.created", zofia)
    envelope["data"]["id"] = "not the id of a user"
    body = samples.encode(envelope)
    headers = signatures.sign(body, SECRET, svix_id=svix_id) | {"content-type": "application/json"}
    response = site.post(URL, content=body.encode(), headers=headers)
    assert response.json() == {"outcome": "failed"}
    told = after(log, response.headers["x-request-id"])
    [failure] = [line for line in told if line["logger"] == "webhooks.inbox.service"]
    assert failure["error.kind"].endswith("ClerkPayloadError")
    assert {line["delivery_id"] for line in told} == {svix_id}
    written = log.read_text()
    [address, *_] = [each["email_address"] for each in envelope["data"]["email_addresses"]]
    for word in (address, "Zofiątko", headers["svix-signature"], SECRET):
        assert word not in written


def test_what_was_bound_does_not_reach_the_next_request(site: httpx.Client, log: Path) -> None:
    post_failing_form(site, "the-one-before")
    for number in range(8):
        [line] = after(log, site.get("/healthz", headers={"x-request-id": f"after-{number}"}).headers["x-request-id"])
        assert not {"user_id", "trace_id", "delivery_id"} & line.keys()


def test_a_job_is_told_once_when_its_last_attempt_fails(sentry: Receiver, database_url: str, tmp_path: Path) -> None:
    job_id = watched_jobs.fail.defer(person=17)
    log = tmp_path / "log.txt"
    command = ["manage.py", "procrastinate", "worker", "--queues=watched"]
    with process(command, database_url, log, **environ(sentry)):
        wait_until(lambda: sentry.bodies, "Sentry was not told")
    [event] = sentry.items()
    assert event["transaction"] == "watched.fail"
    assert event["tags"] == {"job": "watched.fail", "job_id": str(job_id)}
    assert event["exception"]["values"][0]["type"] == "LookupError"
    assert "olive17" not in sentry.bodies[0]
    written = log.read_text().splitlines()[1:]  # the first is Procrastinate's own, which is not logged but printed
    [line] = [line for line in map(json.loads, written) if line["level"] == "error"]
    assert (line["job"], line["job_id"], line["error.kind"]) == ("watched.fail", job_id, "builtins.LookupError")
    assert "olive17" not in log.read_text()
