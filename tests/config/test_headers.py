"""Every response has strict security headers, and every page complies with its Content Security Policy."""

import re
import runpy
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from pytest_django import Settings

from config import probes
from config.environment import BASE_DIR
from config.middleware.site import browser_policies
from tests.helpers.factories import PASSWORD, UserFactory
from tests.helpers.tokens import ISSUER

pytestmark = pytest.mark.django_db

HOST = "profiles.example.com"
HOUR_S = 3600

# --- Every URL ---

UNSUBSCRIBE = "/account/notifications/unsubscribe/wrong/"
NO_LINK = "7f1b4c1e-3a52-4a0c-9d0e-0d6a3f7f9b11"
#: Values for URL arguments. Add new arguments here.
ARGUMENTS = {
    "slug": "olive-owner",
    "kind": "identity",
    "role": "builder",
    "runbook": "silence",
    "object_id": "{pk}",
    "key": "olive-org",
    "user_id": "{pk}",
    "note_id": "{pk}",
    "file_id": "{pk}",
    "content_type_id": "1",
    "number": "0",
    "pk": "1",
    "image_pk": "1",
    "file_pk": "1",
    "document": "terms",
    "version": "1",
    "token": "wrong",
    "rest": "nowhere",
    "public_id": NO_LINK,
    "section": "introduction",
    "group": "builder",
    "name": f"projects/{'0' * 32}.webp",
}
#: A matching path for each regular expression.
REGEXES = {
    r"^api/webhooks/clerk/?$": "api/webhooks/clerk",
    r"(?P<url>.*)$": "nowhere",
}


def patterns(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    """Yield a path and the pattern for every URL. The path must be formatted with an object's `pk`."""
    for entry in resolver.url_patterns:
        path = prefix + path_of(entry)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, path)
        else:
            yield path, entry


def path_of(entry: URLPattern | URLResolver) -> str:
    pattern = str(entry.pattern)
    if app := re.search(r"\?P<app_label>(\w+)", pattern):  # Use the first of several alternatives.
        return f"{app[1]}/"
    if not isinstance(entry.pattern, RoutePattern):
        return REGEXES[pattern]
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: ARGUMENTS[match[1]], pattern)


ALL = list(patterns(get_resolver("config.urls")))
URLS = [path for path, _ in ALL]
FAILURES = {
    "/fails/400/": 400,
    "/fails/403/": 403,
    "/nowhere/": 404,
    "/fails/500/": 500,
    "/fails/503/": 503,
}
every_url = pytest.mark.parametrize("url", URLS)
every_failure = pytest.mark.parametrize(("url", "status"), FAILURES.items())


@pytest.fixture
def pk(one_of_each_pk: int) -> int:
    return one_of_each_pk


@pytest.fixture(scope="module")
def session_key(module_rows: None) -> str:
    client = Client()
    client.force_login(UserFactory.create(superuser=True))
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def operator(session_key: str) -> Client:
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = session_key
    return client


@pytest.fixture
def stranger() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


# --- Production settings ---


PRODUCTION = {
    "LOCAL_MODE": "",
    "ALLOWED_HOSTS": HOST,
    "TRUSTED_PROXY_SSL_HEADER": "X-Forwarded-Proto: https",
}


@pytest.fixture(scope="module")
def outside_local_mode() -> dict[str, Any]:
    """Return the settings in config/settings.py outside local mode."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PRODUCTION.items():
            patch.setenv(name, value)
        return runpy.run_path(str(BASE_DIR / "config" / "settings.py"))


@pytest.fixture
def production(settings: Settings, outside_local_mode: dict[str, Any]) -> dict[str, Any]:
    """Apply production security settings, and return all settings."""
    for name, value in outside_local_mode.items():
        if name.startswith(("SECURE_", "SESSION_COOKIE_", "CSRF_", "X_FRAME_", "ALLOWED_HOSTS")):
            setattr(settings, name, value)
    return outside_local_mode


# --- Assertions ---

PROTECT, CHALLENGES = "https://*.protect.clerk.com", "https://challenges.cloudflare.com"
#: Additional sources on pages with Clerk's widgets: clerk.com/docs/guides/secure/best-practices/csp-headers.
WIDGETS = {
    "script-src": [ISSUER, CHALLENGES, PROTECT],
    "connect-src": [ISSUER, f"{PROTECT}:*"],
    "worker-src": ["blob:"],
    "style-src": ["'unsafe-inline'"],
    "frame-src": [CHALLENGES, PROTECT],
}


def policy_of(response: Any) -> dict[str, list[str]]:
    directives = (directive.split() for directive in response["Content-Security-Policy"].split(";"))
    return {name: values for name, *values in directives}


def nonces_of(response: Any) -> set[str]:
    return {
        value.removeprefix("'nonce-").rstrip("'")
        for values in policy_of(response).values()
        for value in values
        if value.startswith("'nonce-")
    }


def is_embeddable(response: Any) -> bool:
    """Return whether the response is the embeddable card."""
    return bool(response.wsgi_request.path.endswith("/card/") and response.status_code == 200)


def assert_embeddable(response: Any) -> None:
    """Assert that any site can frame the card, and that it can load only style sheets, fonts and images."""
    assert policy_of(response) == {
        **{name: ["'none'"] for name in ("default-src", "base-uri", "form-action")},
        **{name: ["'self'"] for name in ("style-src", "font-src")},
        "img-src": ["'self'", "https://img.clerk.com", "data:"],
        "frame-ancestors": ["*"],
    }
    assert "X-Frame-Options" not in response


def assert_strict(response: Any) -> None:
    policy = policy_of(response)
    if is_embeddable(response):
        assert_embeddable(response)
        return
    with_widgets = ("/sign-in/", "/sign-up/", "/admin/verify/")
    shows_widgets = response.wsgi_request.path in with_widgets and response.status_code == 200
    wider = WIDGETS if shows_widgets else {}
    assert policy["default-src"] == ["'self'"]
    for kind in ("script-src", "style-src", "connect-src", "worker-src"):
        values = [value for value in policy.get(kind, ["'self'"]) if not value.startswith("'nonce-")]
        assert values == ["'self'", *wider.get(kind, [])]
    assert policy.get("frame-src", ["'self'"]) == ["'self'", *wider.get("frame-src", [])]
    # Browsers ignore 'unsafe-inline' if the directive has a nonce.
    assert not wider or policy["style-src"] == ["'self'", "'unsafe-inline'"]
    assert policy["img-src"] == ["'self'", "https://img.clerk.com", "data:"]
    for directive in ("frame-ancestors", "object-src", "base-uri"):
        assert policy[directive] == ["'none'"]
    assert policy["form-action"] == ["'self'"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    is_preview = response.wsgi_request.path.endswith("/card.png") and response.status_code == 200
    assert response["Cross-Origin-Resource-Policy"] == ("cross-origin" if is_preview else "same-origin")
    refused = set(response["Permissions-Policy"].split(", "))
    assert {"camera=()", "microphone=()", "geolocation=()", "payment=()", "usb=()"} <= refused
    assert all(feature.endswith("=()") for feature in refused)


def problems_of(response: Any) -> list[str]:
    """Return the elements on a page that its policy blocks."""
    if not response["Content-Type"].startswith("text/html"):  # nosniff prevents browsers from rendering it.
        return []
    return Page(response.content.decode(), nonces_of(response)).problems


class Page(HTMLParser):
    """Collect inline and external scripts and styles without a valid nonce."""

    def __init__(self, text: str, nonces: set[str]) -> None:
        super().__init__()
        self.nonces, self.problems = nonces, list[str]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if any(name == "style" or name.startswith(("on", "hx-on")) for name in given):
            self.problems.append(f"inline: {self.get_starttag_text()}")
        if any((value or "").strip().lower().startswith("javascript:") for value in given.values()):
            self.problems.append(f"javascript: URL: {self.get_starttag_text()}")
        if "nonce" in given and given["nonce"] not in self.nonces:
            self.problems.append(f"nonce not in the policy: {self.get_starttag_text()}")
        if "nonce" not in given and not self.is_harmless(tag, given):
            self.problems.append(f"neither nonce nor own file: {self.get_starttag_text()}")

    @staticmethod
    def is_harmless(tag: str, given: dict[str, str | None]) -> bool:
        """Return whether a tag does not load a script or style, or loads it from an allowed URL."""
        if tag == "script":
            allowed = ("/static/", f"{ISSUER}/npm/")
            # Browsers do not run scripts of these types: html.spec.whatwg.org/#data-block
            is_data = given.get("type") in ("application/json", "application/ld+json")
            return (given.get("src") or "").startswith(allowed) or is_data
        if tag == "link" and "stylesheet" in (given.get("rel") or ""):
            return (given.get("href") or "").startswith("/static/")
        return tag != "style"


# --- Tests ---


@every_url
def test_every_url_has_strict_headers_for_anonymous_users(stranger: Client, url: str, pk: int) -> None:
    response = stranger.get(url.format(pk=pk))
    assert response.status_code in (200, 301, 302, 401, 404, 405)
    assert_strict(response)
    if not is_embeddable(response):
        assert response["X-Frame-Options"] == "DENY"  # For browsers that do not support frame-ancestors.
    assert problems_of(response) == []


#: URLs that do not return a page or a redirect to an operator.
EXCEPTIONS = {
    "/api/webhooks/clerk": 405,
    # Signing in with a password only gives access to the admin.
    "/api/profiles/me": 401,
    "/.well-known/security.txt": 404,  # No contact is set.
    "/api/profiles/builders/1": 404,
    "/api/profiles/clients/1": 404,
    "/clients/1/edit/": 404,
    "/builders/olive-owner/work/1/": 404,
    "/builders/olive-owner/work/1/card.png": 404,
    "/sitemap-work-0.xml": 404,
    "/api/nowhere": 404,
    UNSUBSCRIBE: 404,
    f"/media/{ARGUMENTS['name']}": 404,
    "/admin/nowhere": 404,
    "/admin/logout/": 405,
    "/language/": 405,
    "/admin/autocomplete/": 403,
    "/admin/webhooks/webhookevent/news/": 204,  # No event is newer than the list.
    "/admin/r/1/{pk}/": 404,  # These objects have no public page.
}
# Only groups and synonyms can be added and deleted in the admin.
CHANGEABLE = ("/admin/auth/group/", "/admin/profiles/searchsynonym/")
EXCEPTIONS |= {
    url: 403
    for url in URLS
    if url.startswith("/admin/") and url.endswith(("/add/", "/delete/")) and not url.startswith(CHANGEABLE)
}


@every_url
def test_every_url_works_for_operators_and_complies_with_its_policy(operator: Client, url: str, pk: int) -> None:
    response = operator.get(url.format(pk=pk))
    assert response.status_code in ((EXCEPTIONS[url],) if url in EXCEPTIONS else (200, 302))
    assert_strict(response)
    assert problems_of(response) == []


@every_url
def test_every_url_has_strict_headers_in_production(production: object, operator: Client, url: str, pk: int) -> None:
    response = operator.get(url.format(pk=pk), secure=True, headers={"host": HOST})
    assert response["Strict-Transport-Security"] == f"max-age={HOUR_S}"  # Applies to this host only and expires soon.
    assert_strict(response)


@every_url
def test_post_without_csrf_token_is_rejected_except_at_the_webhook(stranger: Client, url: str, pk: int) -> None:
    response = stranger.post(url.format(pk=pk))
    assert_strict(response)
    if url == "/api/webhooks/clerk":
        assert response.json() == {"error": "missing_headers"}
    elif url.startswith("/api/"):
        assert response.status_code == 401
    elif url == "/language/":
        assert response.status_code == 302
    elif url == UNSUBSCRIBE:  # Mail providers send no cookies, and the token in the link is signed.
        assert response.status_code == 404
    elif url in probes.VIEWS:  # These URLs respond before the CSRF check, and only to GET and HEAD.
        assert response.status_code == 405
    else:
        assert response.status_code == 403
        assert "This form has expired" in response.content.decode()


def test_three_views_are_exempt_from_csrf_protection() -> None:
    """The language form is on cached pages, and its view rejects requests from other sites in another way.

    The webhook and the unsubscribe link have a signature.
    """
    exempt = {pattern.lookup_str for _, pattern in ALL if getattr(pattern.callback, "csrf_exempt", False)}
    views = {"webhooks.views.receive", "config.views.set_language", "accounts.notifications.views.unsubscribe"}
    assert exempt == views


@pytest.mark.urls("tests.config.urls")
@every_failure
def test_error_pages_have_strict_headers_and_the_site_design(stranger: Client, url: str, status: int) -> None:
    response = stranger.get(url)
    assert response.status_code == status
    assert_strict(response)
    assert problems_of(response) == []
    text = response.content.decode()
    assert f"Error {status}" in text
    assert 'href="/"' in text
    assert "on purpose" not in text


@pytest.mark.urls("tests.config.urls")
@every_failure
def test_error_pages_have_strict_headers_in_production(
    production: object, stranger: Client, url: str, status: int
) -> None:
    response = stranger.get(url, secure=True, headers={"host": HOST})
    assert response.status_code == status
    assert "Strict-Transport-Security" in response
    assert_strict(response)


@pytest.mark.parametrize("host", ("evil.example", "evil.example:80", "exa mple", "<script>", ""))
def test_invalid_host_gets_an_error_page_with_strict_headers(production: object, stranger: Client, host: str) -> None:
    response = stranger.get("/", secure=True, headers={"host": host})
    assert response.status_code == 400
    assert_strict(response)
    assert host == "" or host not in response.content.decode()


def test_database_error_page_has_retry_after(settings: Settings, stranger: Client) -> None:
    settings.ROOT_URLCONF = "tests.config.urls"
    response = stranger.get("/fails/503/")
    assert response["Retry-After"] == "5"
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ("/static/css/base.css", "/static/js/theme.js", "/static/img/sprite.svg"))
def test_static_files_have_nosniff(stranger: Client, path: str) -> None:
    response = stranger.get(path)
    assert response.status_code == 200
    assert response.getvalue()
    response.close()
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_share_image_can_be_loaded_by_other_sites(stranger: Client) -> None:
    response = stranger.get("/static/img/share.png")
    assert response.getvalue()
    response.close()
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("path", "name", "value"),
    (
        ("/static/css/base.css", "STATIC_CDN_URL", "https://cdn.example.com"),
        (f"/media/portraits/{'a' * 32}.webp", "MEDIA_URL", "https://cdn.example.com/media/"),
    ),
)
def test_pages_can_load_files_from_a_cdn(settings: Settings, path: str, name: str, value: str) -> None:
    """The CDN sends the headers of this site, and the browser blocks the file if they forbid other origins."""
    setattr(settings, name, value)
    response = browser_policies(lambda request: HttpResponse())(RequestFactory().get(path))
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_only_the_card_can_be_embedded(stranger: Client, pk: int) -> None:
    embeddable = [url for url in URLS if "X-Frame-Options" not in stranger.get(url.format(pk=pk))]
    assert embeddable == ["/builders/olive-owner/card/"]


# --- Nonces ---


def test_each_response_has_a_new_random_nonce(stranger: Client) -> None:
    seen = [nonces_of(stranger.get("/admin/login/")) for _ in range(5)]
    assert all(len(nonces) == 1 for nonces in seen)
    assert len(set.union(*seen)) == 5
    assert all(len(nonce) >= 22 for nonces in seen for nonce in nonces)


def test_nonces_on_a_page_match_its_policy(stranger: Client) -> None:
    response = stranger.get("/admin/login/")
    assert set(re.findall(r'nonce="([^"]*)"', response.content.decode())) == nonces_of(response)


@pytest.mark.parametrize(
    ("tag", "is_allowed"),
    (
        pytest.param('<script src="/static/a.js"></script>', True, id="own script"),
        pytest.param('<script nonce="good"></script>', True, id="nonce"),
        pytest.param('<script type="application/json">{}</script>', True, id="data"),
        pytest.param('<script type="application/ld+json">{}</script>', True, id="metadata"),
        pytest.param('<script type="module">1</script>', False, id="inline module"),
        pytest.param("<p>", True, id="paragraph"),
        pytest.param('<link rel="icon" href="https://cdn.example/x">', True, id="icon"),
        pytest.param("<script>1</script>", False, id="inline script"),
        pytest.param('<script nonce="bad"></script>', False, id="other nonce"),
        pytest.param('<script nonce=""></script>', False, id="blank nonce"),
        pytest.param('<script src="https://cdn.example/a.js"></script>', False, id="foreign script"),
        pytest.param("<style>p {}</style>", False, id="inline style"),
        pytest.param('<link rel="stylesheet" href="https://cdn.example/a.css">', False, id="foreign style"),
        pytest.param('<p style="color: red">', False, id="style attribute"),
        pytest.param('<p onclick="alert()">', False, id="handler"),
        pytest.param('<a href=" JavaScript:alert()">', False, id="javascript link"),
    ),
)
def test_page_parser_finds_violations(tag: str, *, is_allowed: bool) -> None:
    assert (Page(tag, {"good"}).problems == []) is is_allowed


def test_admin_pages_escape_user_input(operator: Client, pk: int) -> None:
    lists = [url for url in URLS if re.fullmatch(r"/admin/\w+/\w+/", url)]
    assert "/admin/profiles/builderprofile/" in lists
    for url in [*lists, *(f"{url}{pk}/change/" for url in lists)]:
        assert "Olive <script>" not in operator.get(url).content.decode(), url
    assert "Olive &lt;script&gt; &amp; Sons" in operator.get("/admin/accounts/user/").content.decode()


# --- Cookies and HTTPS ---


def sign_in(client: Client, **extra: Any) -> Any:
    """Sign in an operator through the form, and return the last response."""
    user = UserFactory.create(superuser=True)
    token = re.search(
        r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/admin/login/", **extra).content.decode()
    )
    assert token
    fields = {"username": user.login, "password": PASSWORD, "csrfmiddlewaretoken": token[1], "next": "/admin/"}
    return client.post("/admin/login/", fields, **extra)


def test_cookies_are_secure_and_http_only(production: object, stranger: Client) -> None:
    headers = {"host": HOST, "referer": f"https://{HOST}/admin/login/"}
    assert sign_in(stranger, secure=True, headers=headers).status_code == 302
    assert len(stranger.cookies) == 2
    for cookie in stranger.cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
        assert not cookie["domain"]


def test_local_cookies_contain_the_port_and_work_over_http(stranger: Client) -> None:
    assert sign_in(stranger).status_code == 302
    assert set(stranger.cookies) == {"sessionid_8000", "csrftoken_8000"}
    for cookie in stranger.cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == ("", True, "Lax")


def test_production_defaults_are_strict(production: dict[str, Any]) -> None:
    assert production["DEBUG"] is False
    assert production["SECURE_SSL_REDIRECT"] is True
    assert production["ALLOWED_HOSTS"] == [HOST]
    assert production["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert "SESSION_COOKIE_NAME" not in production


@pytest.mark.parametrize(
    ("url", "status"),
    (
        ("/", 301),
        ("/builders/", 301),
        ("/admin/", 301),
        ("/nowhere", 301),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
    ),
)
def test_everything_except_probes_redirects_to_https(
    production: object, stranger: Client, url: str, status: int
) -> None:
    response = stranger.get(url, headers={"host": HOST})
    assert response.status_code == status
    if status == 301:
        assert response["Location"] == f"https://{HOST}{url}"


@pytest.mark.parametrize(("header", "status"), (("https", 200), ("http", 301), ("", 301), ("HTTPS, http", 301)))
def test_proxy_header_decides_whether_a_request_is_https(
    production: object, stranger: Client, header: str, status: int
) -> None:
    assert stranger.get("/", headers={"host": HOST, "x-forwarded-proto": header}).status_code == status


def test_local_mode_does_not_enforce_https(stranger: Client) -> None:
    for secure in (False, True):
        response = stranger.get("/", secure=secure)
        assert response.status_code == 200
        assert "Strict-Transport-Security" not in response
