"""Signing in, sessions and tokens: the Frontend API and the Backend API behave like Clerk's."""

import json
import time
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from tests.local.clerk.standin import INSTANCE_ID, Endpoint, StandIn

APP = "http://bw.localhost:8000"
API_KEY = "sk_test_of_the_stand_in"
JSON = {"Content-Type": "application/json", "Origin": APP}


class Visitor:
    """A browser on one of the app's pages. It stores the stand-in's cookie."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in, self.cookies = stand_in, SimpleCookie()

    def request(self, method: str, path: str, data: object = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        body = None if data is None else json.dumps(data)
        status, response_headers, text = self.stand_in.request(method, path, body, JSON | {"Cookie": cookie} | headers)
        for line in response_headers.get_all("Set-Cookie", []):
            self.cookies.load(line)
        return status, dict(response_headers.items()), json.loads(text) if text.startswith("{") else text

    def sign_in(self, user: dict[str, Any]) -> dict[str, Any]:
        status, _, response = self.request("POST", "/v1/client/sign_ins", {"user_id": user["id"]})
        assert status == 200, response
        return dict(response["response"]["sessions"][0])

    def handshake(self, target: str = f"{APP}/account/") -> tuple[dict[str, str], dict[str, str]]:
        """Return the response headers and the cookies that the token sets."""
        status, headers, _ = self.request("GET", f"/v1/client/handshake?{urlencode({'redirect_url': target})}")
        assert status == 307
        [token] = parse_qs(urlsplit(headers["Location"]).query)["__clerk_handshake"]
        return headers, dict(line.partition(";")[0].split("=", 1) for line in verify(self.stand_in, token)["handshake"])


def verify(stand_in: StandIn, token: str) -> dict[str, Any]:
    """Return the claims of a token, verified with the stand-in's public key."""
    [key] = jwt.PyJWKSet.from_dict(stand_in.call("GET", "/.well-known/jwks.json")[1]).keys
    header = jwt.get_unverified_header(token)
    assert (header["kid"], header["alg"], header["cat"]) == (INSTANCE_ID, "RS256", "cl_B7d4PD111AAA")
    return dict(jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False}))


@pytest.fixture
def visitor(stand_in: StandIn) -> Visitor:
    return Visitor(stand_in)


class TestFrontendApi:
    def test_session_token_is_valid_for_a_minute_and_contains_user_and_origin(self, visitor: Visitor) -> None:
        user = visitor.stand_in.create(first_name="Vera")
        session = visitor.sign_in(user)
        status, headers, response = visitor.request("POST", f"/v1/client/sessions/{session['id']}/tokens")
        claims = verify(visitor.stand_in, response["jwt"])
        assert status == 200
        assert (claims["sub"], claims["sid"], claims["azp"]) == (user["id"], session["id"], APP)
        assert claims["iss"] == f"http://clerk.bw.localhost:{visitor.stand_in.port}"
        assert claims["exp"] - claims["iat"] == 60
        assert abs(claims["iat"] - time.time()) < 5
        assert headers["Access-Control-Allow-Origin"] == APP
        assert headers["Cache-Control"].startswith("max-age=0")

    def test_handshake_sets_cookies_of_the_session(self, visitor: Visitor) -> None:
        user = visitor.stand_in.create()
        visitor.sign_in(user)
        headers, cookies = visitor.handshake(f"{APP}/builders/?page=2")
        assert headers["Location"].startswith(f"{APP}/builders/?page=2&")
        assert verify(visitor.stand_in, cookies["__session"])["sub"] == user["id"]
        assert int(cookies["__client_uat"]) <= int(time.time())
        suffixed = {name[:-9] for name in cookies if name not in ("__session", "__client_uat")}
        assert suffixed >= {"__session", "__client_uat"}
        assert cookies["__clerk_db_jwt"].startswith("dvb_")

    def test_handshake_of_new_browser_is_signed_out(self, visitor: Visitor) -> None:
        _, cookies = visitor.handshake()
        assert (cookies["__session"], cookies["__client_uat"]) == ("", "0")

    def test_development_browser_is_identified_without_cookies(self, visitor: Visitor) -> None:
        user = visitor.stand_in.create()
        visitor.sign_in(user)
        _, cookies = visitor.handshake()
        query = urlencode({"__clerk_db_jwt": cookies["__clerk_db_jwt"]})
        _, _, response = Visitor(visitor.stand_in).request("GET", f"/v1/client?{query}")
        assert response["response"]["sessions"][0]["user_id"] == user["id"]

    @pytest.mark.parametrize(
        "target", ("https://evil.example/", "//evil.example", "javascript:alert(1)", "", "/account/")
    )
    def test_handshake_redirects_only_to_the_app(self, visitor: Visitor, target: str) -> None:
        assert visitor.request("GET", f"/v1/client/handshake?{urlencode({'redirect_url': target})}")[0] == 400

    def test_other_origin_is_rejected(self, visitor: Visitor) -> None:
        visitor.sign_in(visitor.stand_in.create())
        status, headers, _ = visitor.request("GET", "/v1/client", Origin="https://evil.example")
        assert status == 400
        assert "Access-Control-Allow-Origin" not in headers

    def test_session_of_another_browser_is_not_found(self, visitor: Visitor) -> None:
        session = visitor.sign_in(visitor.stand_in.create())
        other = Visitor(visitor.stand_in)
        other.handshake()
        for verb in ("tokens", "end", "remove"):
            assert other.request("POST", f"/v1/client/sessions/{session['id']}/{verb}")[0] == 404

    @pytest.mark.parametrize(("verb", "status"), (("end", "ended"), ("remove", "removed")))
    def test_signing_out_ends_the_session_and_sends_an_event(
        self, visitor: Visitor, endpoint: Endpoint, verb: str, status: str
    ) -> None:
        user = visitor.stand_in.create()
        session = visitor.sign_in(user)
        assert visitor.request("POST", f"/v1/client/sessions/{session['id']}/{verb}")[0] == 200
        assert visitor.request("POST", f"/v1/client/sessions/{session['id']}/tokens")[0] == 404
        assert visitor.handshake()[1]["__session"] == ""
        events = {delivery.event["type"]: delivery.event["data"] for delivery in endpoint.wait_for(session, 2)}
        assert events.keys() == {"session.created", f"session.{status}"}
        assert events[f"session.{status}"]["user_id"] == user["id"]

    def test_ban_revokes_sessions_and_prevents_signing_in(self, visitor: Visitor, endpoint: Endpoint) -> None:
        user = visitor.stand_in.create()
        session = visitor.sign_in(user)
        visitor.stand_in.call("PATCH", f"/local/users/{user['id']}", {"banned": True})
        assert visitor.request("POST", f"/v1/client/sessions/{session['id']}/tokens")[0] == 404
        assert visitor.request("POST", "/v1/client/sign_ins", {"user_id": user["id"]})[0] == 403
        assert "session.revoked" in {delivery.event["type"] for delivery in endpoint.wait_for(session, 2)}

    def test_sign_up_creates_a_user_and_a_session(self, visitor: Visitor, endpoint: Endpoint) -> None:
        data = {"first_name": "New", "email": "new-here@example.com", "roles": ["CLIENT"]}
        status, _, response = visitor.request("POST", "/v1/client/sign_ups", data)
        assert status == 200
        [delivery] = endpoint.wait_for({"id": response["response"]["sessions"][0]["user_id"]})
        assert delivery.event["type"] == "user.created"
        second_status, _, second = Visitor(visitor.stand_in).request("POST", "/v1/client/sign_ups", data)
        assert (second_status, second["errors"][0]["code"]) == (422, "form_identifier_exists")

    @pytest.mark.parametrize("data", ({}, {"user_id": None}, {"user_id": "user_unknown"}))
    def test_unknown_user_cannot_sign_in(self, visitor: Visitor, data: dict[str, Any]) -> None:
        assert visitor.request("POST", "/v1/client/sign_ins", data)[0] == 404


class TestBackendApi:
    def test_secret_key_is_required(self, tmp_path: Path, endpoint: Endpoint) -> None:
        with StandIn(tmp_path, endpoint.url, CLERK_SECRET_KEY=API_KEY) as stand_in:
            key = {"Authorization": f"Bearer {API_KEY}"}
            visitor, user = Visitor(stand_in), stand_in.create(first_name="Vera")
            session = visitor.sign_in(user)
            assert visitor.request("GET", f"/v1/users/{user['id']}", **key)[2] == user
            assert visitor.request("GET", "/v1/users/user_unknown", **key)[0] == 404
            assert visitor.request("GET", "/v1/jwks", **key)[2]["keys"][0]["kid"] == INSTANCE_ID
            status, _, revoked = visitor.request("POST", f"/v1/sessions/{session['id']}/revoke", **key)
            assert (status, revoked["status"]) == (200, "revoked")
            assert visitor.request("GET", f"/v1/users/{user['id']}", Authorization="Bearer wrong")[0] == 401

    def test_without_configured_key_every_request_is_rejected(self, visitor: Visitor) -> None:
        assert visitor.request("GET", "/v1/jwks", Authorization="Bearer ")[0] == 401


class TestProductionInstance:
    def test_handshake_sets_a_cookie_on_the_shared_domain(self, tmp_path: Path, endpoint: Endpoint) -> None:
        with StandIn(tmp_path, endpoint.url, CLERK_PUBLISHABLE_KEY="pk_live_Y2xlcmsuYncubG9jYWxob3N0JA") as stand_in:
            query = urlencode({"redirect_url": f"{APP}/account/"})
            status, headers, _ = stand_in.request("GET", f"/v1/client/handshake?{query}")
            cookies = SimpleCookie("; ".join(headers.get_all("Set-Cookie", [])))
            assert (status, headers["Location"]) == (307, f"{APP}/account/")
            assert cookies["__clerk_handshake"]["domain"] == "bw.localhost"
            lines = verify(stand_in, cookies["__clerk_handshake"].value)["handshake"]
            assert not any("__clerk_db_jwt" in line for line in lines)
            assert lines[0] == "__clerk_handshake=; Path=/; Domain=bw.localhost; Max-Age=0"

    def test_sign_in_sets_the_time_of_the_last_change_on_the_shared_domain(
        self, tmp_path: Path, endpoint: Endpoint
    ) -> None:
        with StandIn(tmp_path, endpoint.url, CLERK_PUBLISHABLE_KEY="pk_live_Y2xlcmsuYncubG9jYWxob3N0JA") as stand_in:
            visitor, user = Visitor(stand_in), stand_in.create(first_name="Olive")
            visitor.sign_in(user)
            found = [morsel for name, morsel in visitor.cookies.items() if name.startswith("__client_uat")]
            assert {morsel["domain"] for morsel in found} == {"bw.localhost"}
            assert len(found) == 2
            assert all(int(morsel.value) > 0 for morsel in found)


class TestKey:
    def test_key_survives_a_restart_and_is_private(self, tmp_path: Path, endpoint: Endpoint) -> None:
        with StandIn(tmp_path, endpoint.url) as stand_in:
            before = stand_in.call("GET", "/.well-known/jwks.json")[1]
            stand_in.stop()
            stand_in.start()
            assert stand_in.call("GET", "/.well-known/jwks.json")[1] == before
            assert (tmp_path / "localclerk.pem").stat().st_mode & 0o777 == 0o600
