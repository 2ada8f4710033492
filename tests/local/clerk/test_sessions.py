"""Signing in at the stand-in, and what it tells browsers and servers of it: as Clerk does, and to nobody else."""

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
    """A browser that a page of the app runs in: it keeps the stand-in's cookie."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in, self.cookies = stand_in, SimpleCookie()

    def ask(self, method: str, path: str, facts: object = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        body = None if facts is None else json.dumps(facts)
        status, answered, text = self.stand_in.request(method, path, body, JSON | {"Cookie": cookie} | headers)
        for line in answered.get_all("Set-Cookie", []):
            self.cookies.load(line)
        return status, dict(answered.items()), json.loads(text) if text.startswith("{") else text

    def sign_in(self, user: dict[str, Any]) -> dict[str, Any]:
        status, _, answer = self.ask("POST", "/v1/client/sign_ins", {"user_id": user["id"]})
        assert status == 200, answer
        return dict(answer["response"]["sessions"][0])

    def handshake(self, target: str = f"{APP}/account/") -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers of the answer, and the cookies its token sets."""
        status, headers, _ = self.ask("GET", f"/v1/client/handshake?{urlencode({'redirect_url': target})}")
        assert status == 307
        [token] = parse_qs(urlsplit(headers["Location"]).query)["__clerk_handshake"]
        return headers, dict(
            line.partition(";")[0].split("=", 1) for line in verified(self.stand_in, token)["handshake"]
        )


def verified(stand_in: StandIn, token: str) -> dict[str, Any]:
    """Return the claims of a token, checked with the key that the stand-in shows."""
    [key] = jwt.PyJWKSet.from_dict(stand_in.call("GET", "/.well-known/jwks.json")[1]).keys
    header = jwt.get_unverified_header(token)
    assert (header["kid"], header["alg"], header["cat"]) == (INSTANCE_ID, "RS256", "cl_B7d4PD111AAA")
    return dict(jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False}))


@pytest.fixture
def visitor(stand_in: StandIn) -> Visitor:
    return Visitor(stand_in)


class TestFrontendApi:
    def test_session_token_lives_a_minute_and_names_who_and_for_whom(self, visitor: Visitor) -> None:
        user = visitor.stand_in.create(first_name="Vera")
        session = visitor.sign_in(user)
        status, headers, answer = visitor.ask("POST", f"/v1/client/sessions/{session['id']}/tokens")
        claims = verified(visitor.stand_in, answer["jwt"])
        assert status == 200
        assert (claims["sub"], claims["sid"], claims["azp"]) == (user["id"], session["id"], APP)
        assert claims["iss"] == f"http://clerk.bw.localhost:{visitor.stand_in.port}"
        assert claims["exp"] - claims["iat"] == 60
        assert abs(claims["iat"] - time.time()) < 5
        assert headers["Access-Control-Allow-Origin"] == APP
        assert headers["Cache-Control"].startswith("max-age=0")

    def test_handshake_brings_the_session_to_the_app(self, visitor: Visitor) -> None:
        user = visitor.stand_in.create()
        visitor.sign_in(user)
        headers, cookies = visitor.handshake(f"{APP}/builders/?page=2")
        assert headers["Location"].startswith(f"{APP}/builders/?page=2&")
        assert verified(visitor.stand_in, cookies["__session"])["sub"] == user["id"]
        assert int(cookies["__client_uat"]) <= int(time.time())
        suffixed = {name[:-9] for name in cookies if name not in ("__session", "__client_uat")}
        assert suffixed >= {"__session", "__client_uat"}
        assert cookies["__clerk_db_jwt"].startswith("dvb_")

    def test_handshake_of_a_stranger_says_signed_out(self, visitor: Visitor) -> None:
        _, cookies = visitor.handshake()
        assert (cookies["__session"], cookies["__client_uat"]) == ("", "0")

    def test_development_browser_is_known_without_cookies(self, visitor: Visitor) -> None:
        user = visitor.stand_in.create()
        visitor.sign_in(user)
        _, cookies = visitor.handshake()
        query = urlencode({"__clerk_db_jwt": cookies["__clerk_db_jwt"]})
        _, _, answer = Visitor(visitor.stand_in).ask("GET", f"/v1/client?{query}")
        assert answer["response"]["sessions"][0]["user_id"] == user["id"]

    @pytest.mark.parametrize(
        "target", ("https://evil.example/", "//evil.example", "javascript:alert(1)", "", "/account/")
    )
    def test_handshake_leads_nowhere_else(self, visitor: Visitor, target: str) -> None:
        assert visitor.ask("GET", f"/v1/client/handshake?{urlencode({'redirect_url': target})}")[0] == 400

    def test_page_of_another_site_is_refused(self, visitor: Visitor) -> None:
        visitor.sign_in(visitor.stand_in.create())
        status, headers, _ = visitor.ask("GET", "/v1/client", Origin="https://evil.example")
        assert status == 400
        assert "Access-Control-Allow-Origin" not in headers

    def test_session_of_another_browser_gives_no_token(self, visitor: Visitor) -> None:
        session = visitor.sign_in(visitor.stand_in.create())
        stranger = Visitor(visitor.stand_in)
        stranger.handshake()
        for verb in ("tokens", "end", "remove"):
            assert stranger.ask("POST", f"/v1/client/sessions/{session['id']}/{verb}")[0] == 404

    @pytest.mark.parametrize(("verb", "status"), (("end", "ended"), ("remove", "removed")))
    def test_signing_out_ends_the_session_and_tells(
        self, visitor: Visitor, endpoint: Endpoint, verb: str, status: str
    ) -> None:
        user = visitor.stand_in.create()
        session = visitor.sign_in(user)
        assert visitor.ask("POST", f"/v1/client/sessions/{session['id']}/{verb}")[0] == 200
        assert visitor.ask("POST", f"/v1/client/sessions/{session['id']}/tokens")[0] == 404
        assert visitor.handshake()[1]["__session"] == ""
        told = {delivery.event["type"]: delivery.event["data"] for delivery in endpoint.wait_for(session, 2)}
        assert told.keys() == {"session.created", f"session.{status}"}
        assert told[f"session.{status}"]["user_id"] == user["id"]

    def test_banning_revokes_and_keeps_out(self, visitor: Visitor, endpoint: Endpoint) -> None:
        user = visitor.stand_in.create()
        session = visitor.sign_in(user)
        visitor.stand_in.call("PATCH", f"/local/users/{user['id']}", {"banned": True})
        assert visitor.ask("POST", f"/v1/client/sessions/{session['id']}/tokens")[0] == 404
        assert visitor.ask("POST", "/v1/client/sign_ins", {"user_id": user["id"]})[0] == 403
        assert "session.revoked" in {delivery.event["type"] for delivery in endpoint.wait_for(session, 2)}

    def test_signing_up_makes_a_user_who_is_signed_in(self, visitor: Visitor, endpoint: Endpoint) -> None:
        facts = {"first_name": "New", "email": "new-here@example.com", "roles": ["CLIENT"]}
        status, _, answer = visitor.ask("POST", "/v1/client/sign_ups", facts)
        assert status == 200
        [delivery] = endpoint.wait_for({"id": answer["response"]["sessions"][0]["user_id"]})
        assert delivery.event["type"] == "user.created"
        again, _, complaint = Visitor(visitor.stand_in).ask("POST", "/v1/client/sign_ups", facts)
        assert (again, complaint["errors"][0]["code"]) == (422, "form_identifier_exists")

    @pytest.mark.parametrize("facts", ({}, {"user_id": None}, {"user_id": "user_nobody"}))
    def test_nobody_signs_in_as_nobody(self, visitor: Visitor, facts: dict[str, Any]) -> None:
        assert visitor.ask("POST", "/v1/client/sign_ins", facts)[0] == 404


class TestBackendApi:
    def test_it_answers_whoever_has_the_key(self, tmp_path: Path, endpoint: Endpoint) -> None:
        with StandIn(tmp_path, endpoint.url, CLERK_SECRET_KEY=API_KEY) as stand_in:
            key = {"Authorization": f"Bearer {API_KEY}"}
            visitor, user = Visitor(stand_in), stand_in.create(first_name="Vera")
            session = visitor.sign_in(user)
            assert visitor.ask("GET", f"/v1/users/{user['id']}", **key)[2] == user
            assert visitor.ask("GET", "/v1/users/user_nobody", **key)[0] == 404
            assert visitor.ask("GET", "/v1/jwks", **key)[2]["keys"][0]["kid"] == INSTANCE_ID
            status, _, revoked = visitor.ask("POST", f"/v1/sessions/{session['id']}/revoke", **key)
            assert (status, revoked["status"]) == (200, "revoked")
            assert visitor.ask("GET", f"/v1/users/{user['id']}", Authorization="Bearer wrong")[0] == 401

    def test_without_a_key_it_answers_nobody(self, visitor: Visitor) -> None:
        assert visitor.ask("GET", "/v1/jwks", Authorization="Bearer ")[0] == 401


class TestProductionFlavour:
    def test_handshake_comes_back_in_a_cookie_of_the_common_domain(self, tmp_path: Path, endpoint: Endpoint) -> None:
        with StandIn(tmp_path, endpoint.url, CLERK_PUBLISHABLE_KEY="pk_live_Y2xlcmsuYncubG9jYWxob3N0JA") as stand_in:
            query = urlencode({"redirect_url": f"{APP}/account/"})
            status, headers, _ = stand_in.request("GET", f"/v1/client/handshake?{query}")
            cookies = SimpleCookie("; ".join(headers.get_all("Set-Cookie", [])))
            assert (status, headers["Location"]) == (307, f"{APP}/account/")
            assert cookies["__clerk_handshake"]["domain"] == "bw.localhost"
            lines = verified(stand_in, cookies["__clerk_handshake"].value)["handshake"]
            assert not any("__clerk_db_jwt" in line for line in lines)


class TestKeys:
    def test_the_key_outlives_a_restart_and_is_the_owners_alone(self, tmp_path: Path, endpoint: Endpoint) -> None:
        with StandIn(tmp_path, endpoint.url) as stand_in:
            before = stand_in.call("GET", "/.well-known/jwks.json")[1]
            stand_in.stop()
            stand_in.start()
            assert stand_in.call("GET", "/.well-known/jwks.json")[1] == before
            assert (tmp_path / "localclerk.pem").stat().st_mode & 0o777 == 0o600
