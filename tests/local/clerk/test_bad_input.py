"""The stand-in rejects invalid requests and settings with an explanation, and continues to work."""

import json
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.local.clerk.standin import ROOT, Browser, Endpoint, StandIn, wait_until

DEEP = '{"a":' * 150 + "1" + "}" * 150
EMAIL = {"address": "a@example.com"}

BAD_BODIES = {
    "not a number": '{"public_metadata": {"a": NaN}}',
    "infinite": '{"public_metadata": {"a": 1e999}}',
    "lone surrogate": '{"first_name": "\\ud800"}',
    "lone surrogate in metadata": '{"public_metadata": {"a": "\\udfff"}}',
    "too deep": f'{{"public_metadata": {DEEP}}}',
    "endless nesting": "[" * 100_000,
    "number with 5,000 digits": f'{{"public_metadata": {{"a": {"9" * 5000}}}}}',
    "large metadata": json.dumps({"public_metadata": {"a": "x" * 9000}}),
    "list as name": '{"first_name": ["x"]}',
    "number as name": '{"last_name": 1}',
    "string as boolean": '{"banned": "maybe"}',
    "number as boolean": '{"locked": 1}',
    "string as roles": '{"roles": "BUILDER"}',
    "numbers as roles": '{"roles": [1]}',
    "list as metadata": '{"public_metadata": []}',
    "two primary emails": json.dumps(
        {"emails": [EMAIL | {"primary": True}, {"address": "b@example.com", "primary": True}]}
    ),
    "duplicate email": json.dumps({"emails": [EMAIL, {"address": "A@example.com"}]}),
    "string as verified": json.dumps({"emails": [EMAIL | {"verified": "yes"}]}),
    "unknown field": '{"shoe_size": 43}',
    "NUL": '{"first_name": "a\\u0000b"}',
}


class TestInvalidRequests:
    @pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
    def test_invalid_body_is_rejected_in_clerks_format(self, stand_in: StandIn, body: str) -> None:
        before = stand_in.call("GET", "/local/users")[1]
        status, response = stand_in.call("POST", "/local/users", body)
        assert status == 400
        assert response["errors"][0].keys() == {"message", "code"}
        assert stand_in.call("GET", "/local/users")[1] == before

    @pytest.mark.parametrize("content_type", ("text/plain", "application/x-www-form-urlencoded", ""))
    def test_cross_site_form_is_rejected(self, stand_in: StandIn, content_type: str) -> None:
        """Browsers send these types to other sites without a preflight request."""
        headers = {"Content-Type": content_type, "Origin": "https://elsewhere.example"}
        assert stand_in.request("POST", "/local/users", "{}", headers)[0] == 415

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        (
            ("PUT", "/local/users", 405),
            ("DELETE", "/local/deliveries", 405),
            ("GET", "/local/unknown", 404),
            ("GET", "/local/users/user_unknown", 404),
        ),
    )
    def test_errors_are_json(self, stand_in: StandIn, method: str, path: str, status: int) -> None:
        response_status, body = stand_in.call(method, path)
        assert (response_status, list(body)) == (status, ["errors"])

    def test_too_large_body_is_rejected_as_json(self, stand_in: StandIn) -> None:
        assert stand_in.call("POST", "/local/users", " " * 2_700_000)[0] == 413


class TestChanges:
    def test_roles_are_merged_into_given_metadata(self, stand_in: StandIn) -> None:
        user = stand_in.create(roles=["ADMIN"], public_metadata={"tier": 2})
        assert user["public_metadata"] == {"tier": 2, "roles": ["ADMIN"]}

    def test_changing_1_to_true_is_a_change(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        user = stand_in.create(public_metadata={"a": 1})
        stand_in.call("PATCH", f"/local/users/{user['id']}", {"public_metadata": {"a": True}})
        endpoint.wait_for(user, 2)

    def test_simultaneous_changes_are_all_stored(self, stand_in: StandIn) -> None:
        changes: list[dict[str, Any]] = [
            {"first_name": "Vera"},
            {"last_name": "Nguyen"},
            {"username": "vera"},
            {"phone": "+15555550123"},
        ]
        for _ in range(5):
            user = stand_in.create()
            path = f"/local/users/{user['id']}"
            threads = [threading.Thread(target=stand_in.call, args=("PATCH", path, change)) for change in changes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            after = stand_in.call("GET", path)[1]
            assert (after["first_name"], after["last_name"], after["username"]) == ("Vera", "Nguyen", "vera")
            assert after["phone_numbers"]

    def test_held_events_are_released_when_shuffling_is_turned_off(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"shuffle": 100})
        user = stand_in.create()
        stand_in.call("PATCH", "/local/settings", {"shuffle": 0})
        endpoint.wait_for(user)

    def test_slow_responses_do_not_delay_other_deliveries(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        endpoint.pause_s = 1
        users = [stand_in.create() for _ in range(10)]
        wait_until(
            lambda: all(endpoint.deliveries_about(user) for user in users),
            "slow responses delayed other deliveries",
            timeout_s=3,
        )

    def test_search_ignores_case_and_accents(self, stand_in: StandIn, browser: Browser) -> None:
        user = stand_in.create(first_name="ÉLODIE", last_name="Ångström")
        assert user["id"] in browser.get("/?q=%C3%A9lodie+angstrom")


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        (
            ("LOCALCLERK_PORT", "eighty"),
            ("LOCALCLERK_PORT", "70000"),
            ("LOCALCLERK_TIME_SCALE", "nan"),
            ("LOCALCLERK_TIME_SCALE", "-1"),
            ("LOCALCLERK_WEBHOOK_URL", "nowhere"),
            ("LOCALCLERK_APP_URL", "http://["),
            ("CLERK_WEBHOOK_SECRET", "whsec_?"),
            ("CLERK_WEBHOOK_SECRET", ""),
            ("DATA_DIR", "/nowhere/at/all"),
        ),
    )
    def test_invalid_value_is_reported_in_one_line_with_the_variable(
        self, stand_in: StandIn, tmp_path: Path, name: str, value: str
    ) -> None:
        run = start_with(stand_in, **({"DATA_DIR": str(tmp_path)} | {name: value}))
        assert run.returncode == 1
        assert name in run.stderr
        assert run.stderr.count("\n") == 1

    def test_taken_port_is_reported_in_one_line(self, stand_in: StandIn, tmp_path: Path) -> None:
        run = start_with(stand_in, DATA_DIR=str(tmp_path))
        assert run.returncode == 1
        assert str(stand_in.port) in run.stderr
        assert run.stderr.count("\n") == 1


def start_with(stand_in: StandIn, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local.clerk"]
    return subprocess.run(
        command, cwd=ROOT, env=stand_in.environ | environ, capture_output=True, text=True, timeout=20, check=False
    )


def test_incomplete_body_does_not_block_other_requests(stand_in: StandIn) -> None:
    incomplete = HTTPConnection("127.0.0.1", stand_in.port, timeout=5)
    incomplete.putrequest("POST", "/local/users")
    incomplete.putheader("Content-Length", "1000")
    incomplete.endheaders(b"{")
    assert stand_in.call("GET", "/local/users")[0] == 200
    incomplete.close()
