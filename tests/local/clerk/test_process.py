"""Starting, stopping and restarting."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cluster.edge import CERTIFICATE, HOST
from tests.local.clerk.standin import ROOT, Endpoint, StandIn

FORM = "application/x-www-form-urlencoded"


class TestProcess:
    @pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGKILL), ids=("SIGTERM", "SIGKILL"))
    def test_users_and_undelivered_messages_survive_a_restart(
        self, number: int, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        """The process does not wait for the running attempt, and repeats it after the restart."""
        endpoint.pause_s = 8
        with StandIn(tmp_path, endpoint.url) as stand_in:
            user = stand_in.create(first_name="Olive")
            endpoint.wait_for(user)
            assert stand_in.stop(number) < 4
            endpoint.pause_s = 0
            stand_in.start()
            stand_in.wait_for_state(user, "delivered")
            first, second = endpoint.deliveries_about(user)
            assert first.headers["svix-id"] == second.headers["svix-id"]
            assert stand_in.call("GET", "/local/users") == (200, [user])
            assert stand_in.stop(signal.SIGINT) < 4
            assert stand_in.process.returncode == 0

    def test_concurrent_first_requests_return_the_same_key(self, tmp_path: Path) -> None:
        """Otherwise the product rejects its own secret key, because the published key belongs to no instance."""
        with StandIn(tmp_path, "http://127.0.0.1:9/") as stand_in, ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: stand_in.request("GET", "/.well-known/jwks.json")[2], range(8)))
        assert len({json.loads(text)["keys"][0]["n"] for text in answers}) == 1

    def test_form_is_accepted_behind_a_proxy_with_tls(self, tmp_path: Path) -> None:
        origin = "https://clerk.bw.localhost"
        proxied = {"Host": "clerk.bw.localhost", "X-Forwarded-Proto": "https", "Origin": origin}
        with StandIn(tmp_path, "http://127.0.0.1:9/", CLERK_FRONTEND_API_URL=origin) as stand_in:
            _, headers, page = stand_in.request("GET", "/users/new", headers=proxied)
            token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
            sent = {"Cookie": headers["Set-Cookie"].partition(";")[0], "Content-Type": FORM}
            body = urlencode({"csrfmiddlewaretoken": token, "first_name": "Olive"})
            assert stand_in.request("POST", "/users/new", body, proxied | sent)[0] == 302

    def test_webhooks_are_posted_with_tls_to_local_host_names(self, tmp_path: Path) -> None:
        """Some systems do not resolve *.localhost."""
        endpoint = Endpoint()
        endpoint.use_tls(tmp_path)
        url = f"https://{HOST}:{endpoint.server.server_port}/"
        with StandIn(tmp_path, url, SSL_CERT_FILE=str(tmp_path / CERTIFICATE)) as stand_in:
            stand_in.wait_for_state(stand_in.create(first_name="Olive"), "delivered")
        endpoint.close()

    def test_unreachable_endpoint_is_logged_as_error(self, tmp_path: Path) -> None:
        with StandIn(tmp_path, "http://127.0.0.1:1/nothing", LOCALCLERK_TIME_SCALE="0") as stand_in:
            message = stand_in.wait_for_state(stand_in.create(first_name="Olive"), "failed")
        assert len(message["attempts"]) == 8
        assert message["attempts"][0]["status"] is None
        assert "refused" in message["attempts"][0]["error"]

    @pytest.mark.parametrize("name", ("SECRET_KEY", "DATA_DIR", "CLERK_WEBHOOK_SECRET"))
    def test_missing_variable_is_named_in_one_line(self, name: str, stand_in: StandIn) -> None:
        command = [sys.executable, "-m", "local.clerk"]
        environ = {**stand_in.environ, name: ""}
        result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=10, check=False)
        assert result.returncode == 1
        [line] = result.stderr.splitlines()
        assert f"{name} is not set" in line
