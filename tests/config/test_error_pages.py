"""Error pages do not read the body of a request, which may be the reason for the error."""

import pytest
from django.conf import settings
from django.test import Client

pytestmark = pytest.mark.django_db

MALFORMED = {
    "multipart without a boundary": ("multipart/form-data", b"x"),
    "multipart in capital letters": ("MULTIPART/FORM-DATA; boundary=x", b"--x--"),
    "an unknown transfer encoding": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--x--',
    ),
    "too many fields": ("application/x-www-form-urlencoded", b"a&" * 2000),
    "an unknown encoding": ("application/x-www-form-urlencoded; charset=utf-7", b"a=+AGE-"),
    "invalid percent encoding": ("application/x-www-form-urlencoded", b"a=%ff%"),
}


@pytest.fixture
def browser() -> Client:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = "f" * 32  # without it, the body is not read
    return client


@pytest.mark.parametrize("label", MALFORMED)
def test_malformed_body_does_not_break_the_not_found_page(browser: Client, label: str) -> None:
    kind, body = MALFORMED[label]
    assert browser.post("/nowhere/", body, content_type=kind).status_code == 404


@pytest.mark.parametrize("label", MALFORMED)
def test_malformed_body_does_not_break_the_page_for_a_wrong_host(browser: Client, label: str) -> None:
    kind, body = MALFORMED[label]
    response = browser.post("/account/delete/", body, content_type=kind, headers={"host": "evil.example"})
    assert response.status_code == 400


@pytest.mark.parametrize(("status", "url"), ((400, "/fails/400/"), (403, "/fails/403/"), (500, "/fails/500/")))
@pytest.mark.urls("tests.config.urls")
def test_malformed_body_does_not_change_the_status(browser: Client, status: int, url: str) -> None:
    browser.handler.enforce_csrf_checks = False  # so that the view runs
    assert browser.post(url, b"x", content_type="multipart/form-data").status_code == status
