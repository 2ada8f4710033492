"""A running server and worker report errors to Sentry and to the log without personal data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts.clerk import samples
from core import quoted_names
from tests.config import failing_jobs
from tests.helpers.factories import UserFactory
from tests.helpers.sentry import Receiver, receiver
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn, process, wait_until
from tests.helpers.tokens import mint
from tests.helpers.webhooks import URL, new_svix_id, person
from tests.settings import SECRET
from webhooks.inbox import signatures

pytestmark = pytest.mark.django_db(transaction=True)

OLIVE = "olive.secret@example.com"
PROXY_ID = "proxy-4711"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "tests.config.failing_settings", "LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def sentry() -> Iterator[Receiver]:
    with receiver() as received:
        yield received


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failing") / "log.txt"


@pytest.fixture(scope="module")
def site(sentry: Receiver, log: Path, database_url: str) -> Iterator[httpx.Client]:
    with (
        gunicorn(database_url, log, workers=1, configuration=WITHOUT_ALERT_THREAD, **environ(sentry)) as url,
        httpx.Client(base_url=url, timeout=15, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def no_earlier_events(sentry: Receiver) -> None:
    sentry.bodies.clear()


def environ(sentry: Receiver) -> dict[str, str]:
    return ENVIRONMENT | {"TEST_SENTRY_DSN": f"http://publickey@127.0.0.1:{sentry.port}/1"}


def lines(log: Path, logger: str = "") -> list[dict[str, Any]]:
    """Parse a log's lines, which must be JSON."""
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in logged if line["logger"].startswith(logger)]


def lines_of_request(log: Path, request_id: str) -> list[dict[str, Any]]:
    """Wait for a request's access log line, then return all log lines for the request."""
    wait_until(
        lambda: any(line.get("request_id") == request_id for line in lines(log, "gunicorn.access")),
        f"the request {request_id} is not in the log",
    )
    return [line for line in lines(log) if line.get("request_id") == request_id]


def post_failing_form(site: httpx.Client) -> tuple[str, int, list[str]]:
    """Post personal data and secrets to a failing page.

    Return the request id, user id and values that must not be reported.
    """
    user = UserFactory.create(email=OLIVE)
    token = mint(str(user.clerk_id))
    signature = signatures.sign("{}", SECRET, svix_id="msg_x")["svix-signature"]
    headers = {
        "svix-signature": signature,
        "x-request-id": PROXY_ID,
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


def test_page_error_is_reported_once_without_personal_data(site: httpx.Client, sentry: Receiver) -> None:
    request_id, user_id, personal = post_failing_form(site)
    wait_until(lambda: sentry.bodies, "Sentry received nothing")
    [event] = sentry.items()
    assert (event["release"], event["environment"], event["transaction"]) == ("1.2.3", "staging", "/fails/")
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "fail"
    group = event["tags"].pop("error_group")
    assert len(group) == 32
    assert event["tags"] == {"request_id": request_id, "client_request_id": PROXY_ID}
    assert event["user"] == {"id": str(user_id)}
    assert "About to fail for %s (%s)." in sentry.bodies[0]
    assert [word for word in personal if word in sentry.bodies[0]] == []
    assert "request" not in event


def test_page_error_is_logged_with_request_user_and_trace_ids(site: httpx.Client, log: Path) -> None:
    request_id, user_id, personal = post_failing_form(site)
    logged = lines_of_request(log, request_id)
    [error] = [line for line in logged if line["logger"] == "django.request"]
    assert (error["level"], error["user_id"], error["dd.service"]) == ("error", user_id, "buildappswith")
    assert error["error.kind"] == "builtins.ValueError"
    assert 'in fail\n    raise ValueError(f"No such user' in error["error.stack"]
    assert (error["trace_id"], error["span_id"]) == (TRACE, SPAN)
    assert (error["dd.trace_id"], error["dd.span_id"]) == (str(int(TRACE[16:], 16)), str(int(SPAN, 16)))
    access = logged[-1]
    assert (access["method"], access["path"], access["status"]) == ("POST", "/fails/", 500)
    assert access["ms"] > 0
    assert access["user_id"] == user_id
    assert {line["client_request_id"] for line in logged} == {PROXY_ID}
    assert [word for word in personal if word in json.dumps(logged, ensure_ascii=False)] == []


def test_client_cannot_choose_the_request_id(site: httpx.Client, log: Path) -> None:
    """Otherwise a client could add lines to the log that seem to belong to another request."""
    first, second = (site.get("/healthz", headers={"x-request-id": PROXY_ID}).headers["x-request-id"] for _ in "ab")
    assert len({PROXY_ID, first, second}) == 3
    assert (len(first), len(second)) == (32, 32)
    for request_id in (first, second):
        assert [line["client_request_id"] for line in lines_of_request(log, request_id)] == [PROXY_ID]


@pytest.mark.parametrize(
    "given",
    (
        *("", "short", "x" * 65, "with space 1234", "a" * 12 + "@b.co", '{"evil": 123456}'),
        *("sk_live_abcdefgh", "eyJhbGciOiJub25lIn0.e30.e30"),
    ),
)
def test_invalid_or_secret_client_request_id_is_not_logged(site: httpx.Client, log: Path, given: str) -> None:
    [line] = lines_of_request(log, site.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"])
    assert "client_request_id" not in line


@pytest.mark.parametrize(
    "secret",
    (
        pytest.param(OLIVE, id="email"),
        pytest.param("sk_live_0123456789abcdef", id="key"),
        pytest.param("eyJhbGciOiJub25lIn0.e30.e30", id="token"),
        pytest.param("whsec_" + "A" * 32, id="webhook secret"),
        pytest.param("eyJ" + "a" * 400, id="long token"),
    ),
)
def test_secrets_in_the_path_are_not_logged(site: httpx.Client, log: Path, secret: str) -> None:
    logged = lines_of_request(log, site.get(f"/nowhere/{secret}").headers["x-request-id"])
    assert [line["path"] for line in logged if line["logger"] == "gunicorn.access"] == [
        f"/nowhere/{quoted_names.REDACTED}"
    ]
    assert secret[:40] not in json.dumps(logged)


@pytest.mark.parametrize("given", ("junk", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{SPAN}"))
def test_invalid_traceparent_is_ignored(site: httpx.Client, log: Path, given: str) -> None:
    [line] = lines_of_request(log, site.get("/healthz", headers={"traceparent": given}).headers["x-request-id"])
    assert not {"trace_id", "dd.trace_id"} & line.keys()


def test_rejected_requests_are_not_reported(site: httpx.Client, sentry: Receiver) -> None:
    assert site.post(URL, content=b"{}", headers={"svix-signature": "v1,bad"}).status_code == 400
    assert site.get("/nowhere/").status_code == 404
    assert site.get("/healthz", headers={"host": "evil.example.com"}).status_code in (200, 400)
    assert site.get("/builders/", headers={"host": "evil.example.com"}).status_code == 400
    assert site.post("/account/roles/", data={"a": "b"}).status_code == 403
    # Events arrive in order, so this event proves that no other event was sent before it.
    last, _, _ = post_failing_form(site)
    wait_until(lambda: sentry.bodies, "Sentry received nothing")
    assert [event["tags"]["request_id"] for event in sentry.items()] == [last]


@pytest.mark.parametrize(
    ("path", "headers"),
    (
        pytest.param("/builders/", {"host": "10.0.3.17:8000"}, id="host"),
        pytest.param("/account/roles/", {"content-type": "multipart/form-data; boundary=" + "x" * 300}, id="form"),
    ),
)
def test_rejected_request_is_logged_without_a_stack_trace(
    site: httpx.Client, log: Path, path: str, headers: dict[str, str]
) -> None:
    response = site.post(path, headers=headers, content=b"--x")
    assert response.status_code in (400, 403)
    logged = lines_of_request(log, response.headers["x-request-id"])
    [line] = [line for line in logged if line["logger"].startswith("django")]
    assert "error.stack" not in line


def test_delivery_id_is_on_every_line_and_payload_on_none(site: httpx.Client, log: Path) -> None:
    zofia, svix_id = person(first_name="Zofiątko"), new_svix_id()
    envelope = samples.user_event("user.created", zofia)
    envelope["data"]["id"] = "not a user id"
    body = samples.encode(envelope)
    headers = signatures.sign(body, SECRET, svix_id=svix_id) | {"content-type": "application/json"}
    response = site.post(URL, content=body.encode(), headers=headers)
    assert response.json() == {"outcome": "failed"}
    logged = lines_of_request(log, response.headers["x-request-id"])
    [failure] = [line for line in logged if line["logger"] == "webhooks.inbox.processing"]
    assert failure["error.kind"].endswith("ClerkPayloadError")
    assert {line["delivery_id"] for line in logged} == {svix_id}
    written = log.read_text()
    [email, *_] = [entry["email_address"] for entry in envelope["data"]["email_addresses"]]
    for word in (email, "Zofiątko", headers["svix-signature"], SECRET):
        assert word not in written


def test_context_variables_do_not_leak_into_the_next_request(site: httpx.Client, log: Path) -> None:
    post_failing_form(site)
    for _ in range(8):
        [line] = lines_of_request(log, site.get("/healthz").headers["x-request-id"])
        assert not {"client_request_id", "user_id", "trace_id", "delivery_id"} & line.keys()


def test_job_error_is_reported_once_after_the_last_attempt(sentry: Receiver, database_url: str, tmp_path: Path) -> None:
    job_id = failing_jobs.fail.defer(number=17)
    log = tmp_path / "log.txt"
    command = ["manage.py", "procrastinate", "worker", "--queues=failing"]
    with process(command, database_url, log, **environ(sentry)):
        wait_until(lambda: sentry.bodies, "Sentry received nothing")
    [event] = sentry.items()
    assert event["transaction"] == "failing.fail"
    group = event["tags"].pop("error_group")
    assert len(group) == 32
    assert event["tags"] == {"job": "failing.fail", "job_id": str(job_id)}
    assert event["exception"]["values"][0]["type"] == "LookupError"
    assert "olive17" not in sentry.bodies[0]
    written = log.read_text().splitlines()[1:]  # Procrastinate prints the first line and does not log it.
    [line] = [line for line in map(json.loads, written) if line["level"] == "error"]
    assert (line["job"], line["job_id"], line["error.kind"]) == ("failing.fail", job_id, "builtins.LookupError")
    assert "olive17" not in log.read_text()
