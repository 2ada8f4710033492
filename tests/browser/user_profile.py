"""Clerk's own user profile, from npm, works under the policy of the security page.

Clerk's script uses HTTPS only, so requests to the instance go to this test, which answers with example data. The page's policy
is the same, with the instance's https:// origin.
"""

import base64
import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import npm_file
from tests.browser.scenario import expect_no_overflow
from tests.browser.steps import expect_signed_in, sign_up
from tests.helpers.servers.site import Site

NOW = int(time.time() * 1000)
ATTRIBUTES = ("email_address", "first_name", "last_name", "password", "passkey", "authenticator_app", "backup_code")
OTHER_ATTRIBUTES = ("phone_number", "username", "web3_wallet", "ticket")


def attribute(*, is_enabled: bool) -> dict[str, Any]:
    methods = ["email_code"]
    return {
        "enabled": is_enabled,
        "required": False,
        "used_for_first_factor": is_enabled,
        "first_factors": methods,
        "used_for_second_factor": is_enabled,
        "second_factors": ["totp"],
        "verifications": methods,
        "verify_at_sign_up": True,
    }


def token(site: Site) -> str:
    claims = {"sub": "user_1", "sid": "sess_1", "iss": secure(site), "iat": NOW // 1000, "exp": NOW // 1000 + 60}
    parts = ({"alg": "RS256", "typ": "JWT", "kid": "ins_1"}, claims, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def environment(site: Site) -> dict[str, Any]:
    attributes = {name: attribute(is_enabled=True) for name in ATTRIBUTES}
    attributes |= {name: attribute(is_enabled=False) for name in OTHER_ATTRIBUTES}
    google = {"enabled": True, "authenticatable": True, "strategy": "oauth_google", "name": "Google", "logo_url": ""}
    return {
        "auth_config": {"single_session_mode": True},
        "display_config": {
            "instance_environment_type": "production",
            "application_name": "Buildappswith",
            "home_url": site.app,
            "user_profile_url": f"{secure(site)}/user",
            "theme": {},
        },
        "user_settings": {
            "attributes": attributes,
            "social": {"oauth_google": google},
            "sign_in": {"second_factor": {"required": False}},
            "sign_up": {"mode": "public"},
            "password_settings": {},
            "passkey_settings": {},
            "username_settings": {},
            "actions": {"delete_self": True},
        },
        "organization_settings": {"enabled": False, "actions": {}, "domains": {"enabled": False}},
    }


def client(site: Site) -> dict[str, Any]:
    verification = {"status": "verified", "strategy": "email_code", "attempts": 1, "expire_at": None}
    email = {"id": "idn_1", "email_address": "rita@example.com", "verification": verification, "linked_to": []}
    nothing = ("phone_numbers", "web3_wallets", "external_accounts", "enterprise_accounts", "passkeys")
    user = {
        "id": "user_1",
        "first_name": "Rita",
        "last_name": "Browser",
        "image_url": "https://img.clerk.com/rita",
        "has_image": False,
        "primary_email_address_id": "idn_1",
        "email_addresses": [email],
        "organization_memberships": [],
        "password_enabled": True,
        "delete_self_enabled": True,
        "created_at": NOW,
        "updated_at": NOW,
        **{name: list[Any]() for name in nothing},
    }
    session = {
        "id": "sess_1",
        "status": "active",
        "user": user,
        "last_active_token": {"jwt": token(site)},
        "expire_at": NOW + 86_400_000,
        "abandon_at": NOW + 86_400_000,
        "last_active_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
        "latest_activity": {"id": "act_1", "browser_name": "Chrome", "device_type": "Linux", "city": "Berlin"},
    }
    return {"id": "client_1", "sessions": [session], "last_active_session_id": "sess_1", "updated_at": NOW}


def secure(site: Site) -> str:
    return site.clerk.replace("http://", "https://")


def answer_as_clerk(page: Page, site: Site) -> None:
    """Answer requests to the instance with Clerk's scripts and example data, and images with 204."""
    current = client(site)
    [session] = current["sessions"]
    answers = {
        "/v1/environment": environment(site),
        "/v1/client": {"response": current},
        "/v1/me/sessions/active": [session],
        "/v1/client/sessions/sess_1/touch": {"response": session, "client": current},
        "/v1/client/sessions/sess_1/tokens": {"jwt": token(site)},
    }
    headers = {"access-control-allow-origin": site.app, "access-control-allow-credentials": "true"}

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if found := re.fullmatch(r"/npm/(@clerk/[a-z-]+)@[^/]+/(dist/.+)", path):
            route.fulfill(path=npm_file(*found.groups()), content_type="text/javascript", headers=headers)
        elif path in answers:
            route.fulfill(json=answers[path], headers=headers)
        else:
            route.fulfill(status=404, json={"errors": []}, headers=headers)

    page.route(f"{secure(site)}/**", answer)
    page.route("https://img.clerk.com/**", lambda route: route.fulfill(status=204))


def open_with_https_instance(page: Page, site: Site) -> None:
    """Open the security page as if the instance used HTTPS."""

    def forward(route: Route) -> None:
        parts = urlsplit(route.request.url)
        # Only Chromium resolves names that end in .localhost.
        url = parts._replace(netloc=f"127.0.0.1:{parts.port}").geturl()
        response = route.fetch(url=url, headers=route.request.headers | {"host": parts.netloc})
        policy = response.headers["content-security-policy"].replace(site.clerk, secure(site))
        headers = response.headers | {"content-security-policy": policy}
        route.fulfill(response=response, body=response.text().replace(site.clerk, secure(site)), headers=headers)

    page.route(f"{site.app}/account/security/**", forward)
    page.goto(f"{site.app}/account/security/")


def test_profile_and_security_pages_are_shown(page: Page, site: Site, console_errors: list[str]) -> None:
    sign_up(page, site, "Rita")
    expect_signed_in(page, "Rita")
    answer_as_clerk(page, site)
    open_with_https_instance(page, site)
    profile = page.locator("[data-clerk-widget]")
    expect(profile.get_by_text("rita@example.com")).to_be_visible()
    expect(profile.get_by_text("Add email address")).to_be_visible()
    profile.get_by_role("button", name="Security").click()
    for text in ("Update password", "Add a passkey", "Add two-step verification", "Active devices", "Berlin"):
        expect(profile.get_by_text(text).first).to_be_visible()
    assert [text for text in console_errors if "Content Security Policy" in text] == []


def test_profile_fits_a_phone(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    sign_up(page, site, "Petra")
    expect_signed_in(page, "Petra")
    answer_as_clerk(page, site)
    open_with_https_instance(page, site)
    profile = page.locator("[data-clerk-widget]")
    expect(profile.get_by_text("rita@example.com")).to_be_visible()
    expect_no_overflow(page)
    box, card = profile.bounding_box(), profile.locator(".cl-cardBox").bounding_box()
    assert box
    assert card
    assert card["width"] <= box["width"]


def test_person_whose_session_has_ended_is_sent_to_the_sign_in_page(page: Page, site: Site) -> None:
    sign_up(page, site, "Emil")
    expect_signed_in(page, "Emil")
    answer_as_clerk(page, site)
    signed_out = {"response": client(site) | {"sessions": [], "last_active_session_id": None}}
    headers = {"access-control-allow-origin": site.app, "access-control-allow-credentials": "true"}
    page.route(f"{secure(site)}/v1/client?*", lambda route: route.fulfill(json=signed_out, headers=headers))
    page.route(f"{site.app}/sign-in/**", lambda route: route.fulfill(body="the sign-in page"))
    open_with_https_instance(page, site)
    page.wait_for_url(f"{site.app}/sign-in/?next=/account/security/")


def test_change_is_visible_even_if_the_webhook_is_lost(page: Page, site: Site) -> None:
    """With the profile of the stand-in."""
    sign_up(page, site, "Lena")
    expect_signed_in(page, "Lena")
    page.get_by_role("link", name="Account and security").click()
    page.get_by_role("link", name="Manage account").click()
    site.clerk_api("PATCH", "/local/settings", {"lose_percent": 100})
    try:
        page.get_by_label("First name").fill("Helena")
        page.get_by_role("button", name="Save name").click()
        expect(page.get_by_text("Name saved.")).to_be_visible()
        page.get_by_role("link", name="Back to Buildappswith").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Helena Browser")
    finally:
        site.clerk_api("PATCH", "/local/settings", {"lose_percent": 0})
