"""Page loads with an expired token are redirected to Clerk and back. Other requests are not."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts.clerk import instance
from tests.helpers.tokens import ISSUER, handshake_token, mint, new_key

pytestmark = pytest.mark.django_db

OLIVE = "user_2olive0000000000000000000000"
PAGE = {"sec-fetch-dest": "document"}
LIVE_KEY = "pk_live_Y2xlcmsuYncubG9jYWxob3N0OjgwMDEk"
FRESH = str(int(time.time()) - 1000)


@pytest.fixture
def production(settings: Settings) -> None:
    """Configure a production instance, which needs no development browser token."""
    settings.CLERK_PUBLISHABLE_KEY = LIVE_KEY


def get(path: str = "/builders/", *, cookies: dict[str, str] | None = None, **headers: str) -> Any:
    sent = PAGE | {name.replace("_", "-"): value for name, value in headers.items()}
    if cookies:
        sent["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Client().get(path, headers=sent)


def handshake_reason(response: Any) -> str | None:
    """Return the reason for the redirect to Clerk, or None if there is no redirect."""
    if response.status_code != 307:
        return None
    url = urlsplit(response["Location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/v1/client/handshake"
    return str(parse_qs(url.query)["__clerk_hs_reason"][0])


MINTED_AT = datetime.now(UTC)
EXPIRED, VALID = mint(OLIVE, age_s=600), mint(OLIVE)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """Freeze the time when the module's tokens were created, because they are valid for one minute."""
    with time_machine.travel(MINTED_AT):
        yield


@pytest.mark.parametrize(
    ("cookies", "reason"),
    (
        pytest.param({}, None, id="no cookies"),
        pytest.param({"__client_uat": "0"}, None, id="signed out"),
        pytest.param({"__session": VALID}, "session-token-but-no-client-uat", id="session only"),
        pytest.param({"__client_uat": FRESH}, "client-uat-but-no-session-token", id="uat only"),
        pytest.param({"__session": VALID, "__client_uat": FRESH}, None, id="valid"),
        pytest.param({"__session": EXPIRED, "__client_uat": "5"}, "session-token-expired", id="expired"),
        pytest.param(
            {"__session": EXPIRED, "__client_uat": FRESH[:-1] + "9"}, "session-token-expired", id="expired, older uat"
        ),
        pytest.param(
            {"__session": VALID, "__client_uat": "99999999999"}, "session-token-iat-before-client-uat", id="uat newer"
        ),
        pytest.param({"__session": "junk", "__client_uat": FRESH}, None, id="junk"),
        pytest.param({"__session": mint(OLIVE, key=new_key()), "__client_uat": FRESH}, None, id="forged"),
        pytest.param({"__session": mint(OLIVE, header={"cat": "x"}), "__client_uat": FRESH}, None, id="other kind"),
        pytest.param({"__session": mint(OLIVE, sts="pending"), "__client_uat": FRESH}, None, id="pending"),
        pytest.param({"__session": mint(OLIVE, azp="https://x.example"), "__client_uat": FRESH}, None, id="party"),
        pytest.param(
            {"__session": mint(OLIVE, azp=None), "__client_uat": FRESH}, "session-token-missing-azp", id="no party"
        ),
        pytest.param(
            {"__session": mint(OLIVE, azp=""), "__client_uat": FRESH}, "session-token-missing-azp", id="empty party"
        ),
        pytest.param(
            {"__session": mint(OLIVE, azp=None, age_s=600), "__client_uat": "5"}, "session-token-expired", id="both"
        ),
        pytest.param(
            {"__session": mint(OLIVE, azp=None, key=new_key()), "__client_uat": FRESH}, None, id="forged without party"
        ),
    ),
)
def test_decision_table_of_production_instances(production: None, cookies: dict[str, str], reason: str | None) -> None:
    response = get(cookies=cookies)
    assert handshake_reason(response) == reason
    assert response.status_code == (307 if reason else 200)


@pytest.mark.parametrize(
    ("path", "cookies", "reason"),
    (
        pytest.param("/builders/", {}, "dev-browser-missing", id="first visit"),
        pytest.param("/builders/?__clerk_db_jwt=dvb_1", {}, "dev-browser-sync", id="back from sign-in"),
        pytest.param("/builders/", {"__clerk_db_jwt": "dvb_1"}, None, id="signed out"),
        pytest.param(
            "/builders/",
            {"__clerk_db_jwt": "dvb_1", "__session": EXPIRED, "__client_uat": "5"},
            "session-token-expired",
            id="expired",
        ),
        pytest.param(
            "/builders/", {"__clerk_db_jwt": "dvb_1", "__session": VALID, "__client_uat": FRESH}, None, id="valid"
        ),
    ),
)
def test_decision_table_of_development_instances(path: str, cookies: dict[str, str], reason: str | None) -> None:
    assert handshake_reason(get(path, cookies=cookies)) == reason


@pytest.mark.parametrize(
    "headers",
    (
        {"sec-fetch-dest": "empty", "accept": "text/html"},
        {"accept": "application/json"},
        {"accept": "*/*"},
        {"sec-fetch-dest": "image"},
        {},
    ),
)
def test_requests_other_than_page_loads_are_not_redirected(production: None, headers: dict[str, str]) -> None:
    response = Client().get("/builders/", headers={"cookie": f"__session={EXPIRED}; __client_uat=5"} | headers)
    assert response.status_code == 200


def test_page_load_without_fetch_metadata_is_recognized_by_accept_header(production: None) -> None:
    headers = {"cookie": f"__session={EXPIRED}; __client_uat=5", "accept": "text/html,application/xhtml+xml"}
    assert handshake_reason(Client().get("/builders/", headers=headers)) == "session-token-expired"


@pytest.mark.parametrize("method", ("post", "put", "delete", "head"))
def test_methods_other_than_get_are_not_redirected(production: None, method: str) -> None:
    headers = PAGE | {"cookie": f"__session={EXPIRED}; __client_uat=5"}
    assert getattr(Client(), method)("/builders/", headers=headers).status_code in (200, 405)


def test_redirect_contains_the_page_url_and_is_not_cached(production: None) -> None:
    response = get("/builders/?before=7&q=a%20b", cookies={"__session": EXPIRED, "__client_uat": "5"})
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["redirect_url"] == ["http://testserver/builders/?before=7&q=a%20b"]
    assert query["suffixed_cookies"] == ["false"]
    assert "no-store" in response["Cache-Control"]


def test_clerks_parameters_are_removed_from_the_return_url(settings: Settings) -> None:
    response = get("/builders/?__clerk_db_jwt=dvb_1&__clerk_handshake=junk&before=7")
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["redirect_url"] == ["http://testserver/builders/?before=7"]
    assert query["__clerk_db_jwt"] == ["dvb_1"]


def test_redirect_loop_ends_with_an_error_page(production: None) -> None:
    cookies = {"__session": EXPIRED, "__client_uat": "5"}
    for count in range(3):
        response = get(cookies=cookies | {"__clerk_redirect_count": str(count)})
        assert response.status_code == 307
        assert response.cookies["__clerk_redirect_count"].value == str(count + 1)
        assert response.cookies["__clerk_redirect_count"]["max-age"] == 2
    response = get(cookies=cookies | {"__clerk_redirect_count": "3"})
    assert response.status_code == 503
    assert "clock" in response.content.decode()
    assert "no-store" in response["Cache-Control"]


# --- Tokens without a party ---

WITHOUT_PARTY = mint(OLIVE, azp=None)


def assert_refreshes(response: Any) -> None:
    """Check that the page loads Clerk's script, which fetches a token that names this site."""
    page = response.content.decode()
    assert (response.status_code, handshake_reason(response)) == (401, None)
    assert "Confirming your sign-in" in page
    assert f"{ISSUER}/npm/@clerk/clerk-js@6" in page
    assert "js/clerk-session.js" in page
    assert ISSUER in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_token_without_party_from_a_production_handshake_is_refreshed_in_the_page(production: None) -> None:
    """Clerk names the site after the Origin header, which browsers do not send with a redirect."""
    directives = (f"__session={WITHOUT_PARTY}; Path=/", f"__client_uat={FRESH}; Path=/")
    response = get(cookies={"__clerk_handshake": handshake_token(*directives)})
    assert_refreshes(response)
    assert {morsel.key for morsel in response.cookies.values()} >= {"__session", "__client_uat"}


def test_token_without_party_after_a_development_handshake_is_refreshed_in_the_page() -> None:
    cookies = {"__clerk_db_jwt": "dvb_1", "__session": WITHOUT_PARTY, "__client_uat": FRESH}
    assert handshake_reason(get(cookies=cookies)) == "session-token-missing-azp"
    assert_refreshes(get(cookies=cookies | {"__clerk_redirect_count": "1"}))


def test_page_is_refreshed_only_once(production: None, caplog: pytest.LogCaptureFixture) -> None:
    cookies = {"__session": WITHOUT_PARTY, "__client_uat": FRESH}
    refreshing = get(cookies=cookies | {"__clerk_redirect_count": "1"})
    count = refreshing.cookies["__clerk_redirect_count"]
    assert (count.value, count["max-age"]) == ("3", 10)
    assert get(cookies=cookies | {"__clerk_redirect_count": count.value}).status_code == 503
    assert "session-token-missing-azp" in caplog.text


def test_htmx_request_with_token_without_party_fetches_a_new_token(production: None) -> None:
    cookies = {"__session": WITHOUT_PARTY, "__client_uat": FRESH}
    response = get(cookies=cookies, hx_request="true", sec_fetch_dest="empty")
    assert response.status_code == 401


def test_token_without_party_grants_no_access(production: None) -> None:
    headers = {"cookie": f"__session={WITHOUT_PARTY}; __client_uat={FRESH}", "sec-fetch-dest": "empty"}
    response: Any = Client().get("/account/", headers=headers)
    assert response.status_code == 302
    assert not hasattr(response.wsgi_request.clerk, "claims")
    response = Client().get("/api/profiles/me", headers={"authorization": f"Bearer {WITHOUT_PARTY}"})
    assert response.status_code == 401


# --- Returning from Clerk ---

SET = (f"__session={VALID}; Path=/; Max-Age=31536000; SameSite=Lax", f"__client_uat={FRESH}; Path=/")


def test_development_handshake_redirects_to_the_clean_url() -> None:
    response = get(f"/builders/?before=7&__clerk_handshake={handshake_token(*SET)}")
    assert (response.status_code, response["Location"]) == (307, "http://testserver/builders/?before=7")
    assert "no-store" in response["Cache-Control"]
    sent = {morsel.key: morsel.value for morsel in response.cookies.values()}
    assert sent == {"__session": VALID, "__client_uat": FRESH}


def test_production_handshake_renders_the_page(production: None) -> None:
    response = get(cookies={"__clerk_handshake": handshake_token(*SET)})
    assert response.status_code == 200
    assert response.wsgi_request.clerk.claims.clerk_id == OLIVE
    assert "no-store" in response["Cache-Control"]
    assert {morsel.key for morsel in response.cookies.values()} >= {"__session", "__client_uat"}


def test_production_handshake_in_the_url_is_ignored(production: None) -> None:
    """A link must not be able to sign a victim in to the attacker's account."""
    response = get(f"/builders/?__clerk_handshake={handshake_token(*SET)}")
    assert response.status_code == 200
    assert "__session" not in str(response.cookies)
    assert not hasattr(response.wsgi_request.clerk, "claims")


def test_handshake_can_sign_the_user_out(production: None) -> None:
    cleared = ("__session=; Path=/; Max-Age=0", "__client_uat=0; Path=/")
    response = get(cookies={"__clerk_handshake": handshake_token(*cleared)})
    assert response.status_code == 200
    assert not hasattr(response.wsgi_request.clerk, "claims")


def test_cookie_is_set_on_several_domains(production: None) -> None:
    directives = ("__client_uat=5; Path=/; Domain=example.com", "__client_uat=; Path=/; Max-Age=0")
    response = get(cookies={"__clerk_handshake": handshake_token(*directives)})
    lines = [morsel.OutputString() for morsel in response.cookies.values() if morsel.key == "__client_uat"]
    assert len(lines) == 2
    assert any("Domain=example.com" in line for line in lines)


@pytest.mark.parametrize(
    "directive",
    (
        "sessionid=abc; Path=/",
        "csrftoken_8000=abc",
        "__session_x=abc",
        "__session=a\r\nSet-Cookie: x=y",
        "__Host-evil=1",
        "__sessionid=1",
        "=1",
        "",
    ),
)
def test_handshake_sets_only_clerks_cookies(production: None, directive: str) -> None:
    response = get(cookies={"__clerk_handshake": handshake_token(directive)})
    assert response.status_code == 200
    assert not [morsel for morsel in response.cookies.values() if morsel.value and morsel.key != "csrftoken_8000"]


@pytest.mark.parametrize(
    "token",
    (
        pytest.param(lambda: "junk", id="junk"),
        pytest.param(lambda: handshake_token(*SET)[:-9], id="truncated"),
        pytest.param(lambda: mint(OLIVE), id="session token"),
        pytest.param(lambda: mint(OLIVE, key=new_key(), handshake=list(SET)), id="forged"),
        pytest.param(lambda: mint(OLIVE, header={"cat": "cl_B7d4PD222AAA"}, handshake=list(SET)), id="template"),
        pytest.param(lambda: mint(OLIVE, handshake="__session=1"), id="not a list"),
        pytest.param(lambda: mint(OLIVE, handshake=[1, None, {}]), id="not strings"),
    ),
)
def test_invalid_handshake_token_sets_no_cookies(production: None, token: Callable[[], str]) -> None:
    response = get(cookies={"__clerk_handshake": token()})
    assert response.status_code == 200
    assert not [morsel for morsel in response.cookies.values() if morsel.key.startswith("__")]


def test_cookies_with_the_instance_suffix_are_read(settings: Settings, production: None) -> None:
    configured = instance.current()
    assert configured is not None
    assert not configured.is_development
    name = f"__session_{configured.cookie_suffix}"
    response = get(cookies={name: EXPIRED, f"__client_uat_{configured.cookie_suffix}": "5"})
    assert handshake_reason(response) == "session-token-expired"
    assert parse_qs(urlsplit(response["Location"]).query)["suffixed_cookies"] == ["true"]


@pytest.mark.parametrize("header", ("Basic abc", "Digest x", "Bearer", "junk", f"Bearer {EXPIRED}", "Bearer a b c"))
def test_invalid_authorization_header_is_not_redirected(production: None, header: str) -> None:
    """The header takes precedence over cookies, so a handshake could not replace the token."""
    response = get(authorization=header)
    assert response.status_code == 200
    assert not hasattr(response.wsgi_request.clerk, "claims")


def test_bearer_token_signs_in(production: None) -> None:
    response = get(authorization=f"Bearer {VALID}")
    assert response.wsgi_request.clerk.claims.clerk_id == OLIVE
