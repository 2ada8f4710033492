"""The pages on which users change their own account, and the events that the changes send."""

import json
import re
from typing import Any

import pytest

from tests.local.clerk.standin import Browser, Endpoint, StandIn, wait_until

APP = "http://bw.localhost:8000"
HEADERS = {"Content-Type": "application/json", "Origin": APP}


def sign_in(stand_in: StandIn, user: dict[str, Any]) -> Browser:
    """Return a browser in which `user` is signed in."""
    browser = Browser(stand_in)
    status, headers, _ = stand_in.request("POST", "/v1/client/sign_ins", json.dumps({"user_id": user["id"]}), HEADERS)
    assert status == 200
    for cookie in headers.get_all("Set-Cookie", []):
        browser.cookies.load(cookie)
    return browser


def stored(stand_in: StandIn, user: dict[str, Any]) -> dict[str, Any]:
    return dict(stand_in.call("GET", f"/local/users/{user['id']}")[1])


def events(stand_in: StandIn, user: dict[str, Any]) -> list[str]:
    """Return the types of all events about the user, oldest first."""
    return [message["type"] for message in reversed(stand_in.messages(user))]


def code_in_mailbox(browser: Browser) -> str:
    """Return the newest code in the mailbox."""
    found = re.search(r"(\d{6}) is your verification code", browser.get("/user/mailbox"))
    assert found
    return found[1]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


@pytest.fixture
def vera(stand_in: StandIn) -> dict[str, Any]:
    number = len(stand_in.call("GET", "/local/users")[1])  # The stand-in is shared, and addresses must be unique.
    return stand_in.create(first_name="Vera", last_name="Visitor", email=f"vera{number}@example.com")


@pytest.fixture
def own(stand_in: StandIn, vera: dict[str, Any]) -> Browser:
    return sign_in(stand_in, vera)


def add(browser: Browser, address: str) -> tuple[int, str]:
    return browser.post("/user/emails", {"address": address}, page="/user")


def id_of(stand_in: StandIn, user: dict[str, Any], address: str) -> str:
    emails = stored(stand_in, user)["email_addresses"]
    return str(next(email["id"] for email in emails if email["email_address"] == address))


class TestNamesAndSessions:
    def test_name_is_changed(self, own: Browser, stand_in: StandIn, endpoint: Endpoint, vera: dict[str, Any]) -> None:
        status, page = own.post("/user/name", {"first_name": "Vera & Co", "last_name": ""}, page="/user")
        assert status == 302
        assert "Name saved." in page
        assert "Vera &amp; Co" in page
        assert stored(stand_in, vera)["first_name"] == "Vera & Co"
        assert endpoint.wait_for(vera, 2)[-1].event["type"] == "user.updated"

    def test_long_name_is_rejected_and_kept(self, own: Browser, stand_in: StandIn, vera: dict[str, Any]) -> None:
        status, page = own.post("/user/name", {"first_name": "V" * 201, "last_name": "Typed"}, page="/user")
        assert status == 422
        assert 'value="Typed"' in page
        assert stored(stand_in, vera)["last_name"] == "Visitor"

    def test_session_in_another_browser_is_ended(
        self, own: Browser, stand_in: StandIn, endpoint: Endpoint, vera: dict[str, Any]
    ) -> None:
        other = sign_in(stand_in, vera)
        page = own.get("/user")
        assert (page.count("This browser"), page.count("Another browser")) == (1, 1)
        [session_id] = re.findall(r'sessions/(sess_\w+)/end"(?:(?!</form>).)*another browser', page, re.DOTALL)[-1:]
        assert own.post(f"/user/sessions/{session_id}/end", {}, page="/user")[0] == 302
        assert other.stand_in.request("GET", "/user", headers=cookie_of(other))[0] == 401
        assert own.get("/user").count("Another browser") == 0
        assert [event.event["type"] for event in endpoint.wait_for({"id": session_id}, 2)][-1] == "session.revoked"

    def test_session_of_another_user_cannot_be_ended(self, own: Browser, stand_in: StandIn) -> None:
        other = sign_in(stand_in, stand_in.create(first_name="Other"))
        found = re.search(r"sess_\w+", other.get("/user"))
        assert found
        assert own.post(f"/user/sessions/{found[0]}/end", {}, page="/user")[0] == 404
        assert "This browser" in other.get("/user")

    @pytest.mark.parametrize("path", ("/user", "/user/mailbox", "/user/emails/idn_2x/verify"))
    def test_signed_out_browser_is_asked_to_sign_in(self, stand_in: StandIn, path: str) -> None:
        status, _, page = stand_in.request("GET", path)
        assert status == 401
        assert f"/sign-in?redirect_url={APP}/account/security/" in page


class TestAddresses:
    def test_address_is_added_and_verified_with_the_code(
        self, own: Browser, stand_in: StandIn, endpoint: Endpoint, vera: dict[str, Any]
    ) -> None:
        before = stored(stand_in, vera)["primary_email_address_id"]
        address = f"new.{vera['id'][5:]}@example.com".lower()
        status, page = add(own, address)
        assert (status, f"Verify {address}" in page) == (302, True)
        email_id, code = id_of(stand_in, vera, address), code_in_mailbox(own)
        path = f"/user/emails/{email_id}/verify"
        status, page = own.post(path, {"code": wrong(code)}, page=path)
        assert (status, "Incorrect code." in page) == (422, True)
        assert own.post(path, {"code": f" {code} "}, page=path)[0] == 302
        status, page = own.post(f"/user/emails/{email_id}/primary", {}, page="/user")
        assert (status, "Primary email address changed." in page) == (302, True)
        user = stored(stand_in, vera)
        assert user["primary_email_address_id"] == email_id != before
        assert user["email_addresses"][1]["verification"]["status"] == "verified"
        types = ["user.created", "session.created", "user.updated", "email.created", "user.updated", "user.updated"]
        assert events(stand_in, vera) == types

    def test_email_event_contains_the_code_as_in_clerk(
        self, own: Browser, endpoint: Endpoint, vera: dict[str, Any]
    ) -> None:
        add(own, f"code.{vera['id'][5:]}@example.com")
        code = code_in_mailbox(own)

        def mails() -> list[dict[str, Any]]:
            found = [each.event["data"] for each in endpoint.deliveries if each.event["type"] == "email.created"]
            return [data for data in found if data["user_id"] == vera["id"]]

        wait_until(mails, "the event did not arrive")
        [event] = mails()
        assert event["data"]["otp_code"] == code
        assert code in event["body"]
        assert code in event["body_plain"]
        assert event["slug"] == "verification_code"

    def test_unverified_address_cannot_be_primary(self, own: Browser, stand_in: StandIn, vera: dict[str, Any]) -> None:
        address = f"not.yet.{vera['id'][5:]}@example.com"
        add(own, address)
        email_id = id_of(stand_in, vera, address)
        _, page = own.post(f"/user/emails/{email_id}/primary", {}, page="/user")
        assert "Verify this email address before you make it the primary one." in page
        assert stored(stand_in, vera)["primary_email_address_id"] == vera["primary_email_address_id"]

    def test_code_expires_after_five_attempts(self, own: Browser, stand_in: StandIn, vera: dict[str, Any]) -> None:
        address = f"guess.{vera['id'][5:]}@example.com"
        add(own, address)
        email_id, code = id_of(stand_in, vera, address), code_in_mailbox(own)
        path = f"/user/emails/{email_id}/verify"
        for _ in range(5):
            assert own.post(path, {"code": wrong(code)}, page=path)[0] == 422
        assert "The code has expired." in own.post(path, {"code": code}, page=path)[1]
        assert own.post(f"/user/emails/{email_id}/code", {}, page=path)[0] == 302
        assert own.post(path, {"code": code_in_mailbox(own)}, page=path)[0] == 302

    def test_last_address_is_removed(
        self, own: Browser, stand_in: StandIn, endpoint: Endpoint, vera: dict[str, Any]
    ) -> None:
        status, page = own.post(f"/user/emails/{vera['primary_email_address_id']}/remove", {}, page="/user")
        assert (status, "No email address." in page) == (302, True)
        event = endpoint.wait_for(vera, 2)[-1].event["data"]
        assert (event["email_addresses"], event["primary_email_address_id"]) == ([], None)

    def test_removing_the_primary_address_promotes_a_verified_one(self, stand_in: StandIn) -> None:
        emails = [{"address": f"{name}@promoted.example", "verified": name != "new"} for name in ("old", "new", "next")]
        user = stand_in.create(first_name="Promoted", emails=[emails[0] | {"primary": True}, *emails[1:]])
        own = sign_in(stand_in, user)
        own.post(f"/user/emails/{user['primary_email_address_id']}/remove", {}, page="/user")
        after = stored(stand_in, user)
        primary = next(e for e in after["email_addresses"] if e["id"] == after["primary_email_address_id"])
        assert primary["email_address"] == "next@promoted.example"

    @pytest.mark.parametrize(
        ("address", "message"),
        (
            ("", "This field is required."),
            ("nobody", "Enter a valid email address."),
            ("a@b.example\x00", "Null characters are not allowed."),
            ("TAKEN@example.com", "That email address is taken."),
            ("{own}", "You have already added this email address."),
        ),
    )
    def test_invalid_address_is_rejected_and_kept(
        self, own: Browser, stand_in: StandIn, vera: dict[str, Any], address: str, message: str
    ) -> None:
        if address.startswith("TAKEN") and "taken@example.com" not in str(stand_in.call("GET", "/local/users")[1]):
            stand_in.create(first_name="Owner", email="taken@example.com")
        own_address = vera["email_addresses"][0]["email_address"].upper()
        status, page = add(own, address.replace("{own}", own_address))
        assert (status, message in page) == (422, True)
        assert events(stand_in, vera) == ["user.created", "session.created"]

    def test_number_of_addresses_is_limited(self, stand_in: StandIn) -> None:
        user = stand_in.create(emails=[{"address": f"a{n}@many.example", "primary": n == 0} for n in range(10)])
        status, page = add(sign_in(stand_in, user), "one.more@many.example")
        assert (status, "at most 10 email addresses" in page) == (422, True)

    @pytest.mark.parametrize("verb", ("verify", "code", "primary", "remove"))
    def test_removed_address_is_reported(self, own: Browser, verb: str) -> None:
        status, page = own.post(f"/user/emails/idn_2unknown/{verb}", {"code": "1"}, page="/user")
        assert (status, "This email address has been removed." in page) == (302, True)


def cookie_of(browser: Browser) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())}
