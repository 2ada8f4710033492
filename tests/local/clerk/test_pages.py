"""The pages in a browser without JavaScript."""

import re

import pytest

from tests.local.clerk.standin import Browser, Endpoint, StandIn, wait_until

OLIVE = {"first_name": "Olive", "last_name": "O’Hara & Søn", "address": ["olive@example.com", ""], "primary": "0"}


class TestPages:
    def test_user_can_be_created(self, browser: Browser, stand_in: StandIn, endpoint: Endpoint) -> None:
        """The page after saving shows the user and the delivery."""
        fields = {**OLIVE, "verified": ["0"], "roles": ["BUILDER", "CLIENT"]}
        status, page = browser.post("/users/new", fields, page="/users/new")
        assert status == 302
        assert "Olive O’Hara &amp; Søn" in page
        assert "user.created" in page
        user_id = re.search(r"user_[0-9A-Za-z]{27}", page)
        assert user_id
        _, user = stand_in.call("GET", f"/local/users/{user_id[0]}")
        assert user["email_addresses"][0]["verification"]["status"] == "verified"
        assert set(user["public_metadata"]["roles"]) == {"BUILDER", "CLIENT"}
        assert endpoint.wait_for(user)[0].event["data"] == user

    def test_user_can_be_changed(self, browser: Browser, stand_in: StandIn, endpoint: Endpoint) -> None:
        user = stand_in.create(first_name="Olive", email="olive@example.com", roles=["BUILDER"])
        path = f"/users/{user['id']}"
        fields = {"first_name": "Olivia", "address": ["olive@example.com"], "primary": "0", "roles": [], "banned": "on"}
        assert browser.post(path, fields, page=path)[0] == 302
        changed = endpoint.wait_for(user, 2)[-1].event["data"]
        assert (changed["first_name"], changed["banned"]) == ("Olivia", True)
        assert changed["public_metadata"] == {"roles": []}
        assert changed["email_addresses"][0]["verification"]["status"] == "unverified"

    def test_saving_without_changes_sends_no_event(self, browser: Browser, stand_in: StandIn) -> None:
        user = stand_in.create(first_name="Olive", email="olive@example.com", roles=["BUILDER"])
        path = f"/users/{user['id']}"
        fields = {"first_name": "Olive", "address": ["olive@example.com"], "primary": "0", "verified": ["0"]}
        assert browser.post(path, {**fields, "roles": ["BUILDER"]}, page=path)[0] == 302
        assert len(stand_in.messages(user)) == 1

    def test_deletion_needs_confirmation(self, browser: Browser, stand_in: StandIn) -> None:
        user = stand_in.create(first_name="Olive")
        path = f"/users/{user['id']}/delete"
        assert "Delete Olive?" in browser.get(path)
        assert stand_in.call("GET", f"/local/users/{user['id']}")[0] == 200
        assert browser.post(path, {}, page=path)[0] == 302
        assert stand_in.call("GET", f"/local/users/{user['id']}")[0] == 404

    def test_invalid_form_keeps_submitted_values(self, browser: Browser) -> None:
        fields = {"first_name": "Unsaved", "phone": "twelve"}
        status, page = browser.post("/users/new", fields, page="/users/new")
        assert status != 302
        assert 'value="Unsaved"' in page
        assert 'value="twelve"' in page
        assert "Enter the number with its country code" in page

    @pytest.mark.parametrize("query", ("Nosuchname", "a%00Nosuchname", "%25%25", "%F0%9F%8C%B1"))
    def test_search_without_match_shows_a_message(self, query: str, browser: Browser) -> None:
        assert "No users match" in browser.get(f"/?q={query}")

    def test_search_matches_every_word(self, browser: Browser, stand_in: StandIn) -> None:
        user = stand_in.create(first_name="Zenobia", last_name="Quill", email="z@example.com", banned=True)
        page = browser.get("/?q=quill+zenob")
        assert f'href="/users/{user["id"]}"' in page
        assert "banned" in page

    def test_delivered_message_can_be_delivered_again(
        self, browser: Browser, stand_in: StandIn, endpoint: Endpoint
    ) -> None:
        user = stand_in.create(first_name="Again")
        message = stand_in.wait_for_state(user, "delivered")
        assert browser.post(f"/deliveries/{message['id']}/send", {}, page="/deliveries")[0] == 302
        first, second = endpoint.wait_for(user, 2)
        assert first.headers["svix-id"] == second.headers["svix-id"]

    def test_dropped_message_can_be_delivered(self, browser: Browser, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"lose_percent": 100})
        user = stand_in.create(first_name="Found")
        path = f"/deliveries/{stand_in.messages(user)[0]['id']}/send"
        assert browser.post(path, {}, page="/deliveries")[0] == 302
        assert len(endpoint.wait_for(user)) == 1

    def test_held_messages_can_be_released(self, browser: Browser, stand_in: StandIn, endpoint: Endpoint) -> None:
        stand_in.call("PATCH", "/local/settings", {"shuffle": 50})
        user = stand_in.create(first_name="Released")
        assert browser.post("/deliveries/release", {}, page="/deliveries")[0] == 302
        endpoint.wait_for(user)

    def test_deliveries_have_a_second_page(self, browser: Browser, stand_in: StandIn) -> None:
        user = stand_in.create(first_name="Oldest")
        for number in range(50):
            stand_in.call("PATCH", f"/local/users/{user['id']}", {"last_name": str(number)})
        wait_until(
            lambda: all(m["state"] == "delivered" for m in stand_in.messages(user)), "not all messages were delivered"
        )
        older = re.search(r'href="(\?before=[^"]+)"', browser.get("/deliveries"))
        assert older
        oldest = stand_in.messages(user)[-1]["id"]
        assert oldest not in browser.get("/deliveries")
        assert oldest in browser.get(f"/deliveries{older[1]}")

    @pytest.mark.parametrize("path", ("/users/new", "/faults", "/deliveries/release"))
    def test_cross_site_form_is_rejected(self, path: str, stand_in: StandIn) -> None:
        assert stand_in.request("POST", path, "first_name=Eve")[0] == 403

    @pytest.mark.parametrize("path", ("/", "/users/new", "/deliveries", "/faults"))
    def test_pages_have_no_inline_scripts_or_styles(self, path: str, stand_in: StandIn) -> None:
        status, headers, page = stand_in.request("GET", path)
        assert status == 200
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", page)
        assert 'href="http://bw.localhost:8000/builders/"' in page

    def test_stylesheets_are_served_without_collectstatic(self, stand_in: StandIn) -> None:
        for path in re.findall(r'href="(/static/[^"]+)"', stand_in.request("GET", "/")[2]):
            assert stand_in.request("HEAD", path)[0] == 200, path

    def test_stylesheet_uses_only_existing_tokens(self, stand_in: StandIn) -> None:
        """A declaration with an unknown token is ignored, so borders could disappear unnoticed."""
        paths = re.findall(r'href="(/static/[^"]+\.css)"', stand_in.request("GET", "/")[2])
        styles = "".join(stand_in.request("GET", path)[2] for path in paths)
        own = stand_in.request("GET", next(path for path in paths if "localclerk" in path))[2]
        assert {token for token in re.findall(r"var\((--[\w-]+)", own) if f"{token}:" not in styles} == set()

    @pytest.mark.parametrize("host", ("evil.example", "localhost.evil.example"))
    def test_other_host_names_are_rejected(self, host: str, stand_in: StandIn) -> None:
        assert stand_in.request("GET", "/", headers={"Host": host})[0] == 400
