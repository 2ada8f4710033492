"""Pages are compressed only for visitors. Pages for signed-in users and API responses are not compressed."""

import gzip
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db

GZIP = {"accept-encoding": "gzip, br"}


def encoding(client: Client, path: str, headers: dict[str, Any] = GZIP) -> str:
    return client.get(path, headers=headers).get("Content-Encoding", "")


@pytest.fixture
def directory() -> str:
    BuilderProfileFactory.create_batch(3)
    return "/builders/"


def test_page_is_compressed_for_visitors(client: Client, directory: str) -> None:
    response = client.get(directory, headers=GZIP)
    assert response["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response["Vary"]
    assert b"<h1>Builders</h1>" in gzip.decompress(response.content)
    assert len(response.content) < len(client.get(directory).content) / 2


def test_page_is_not_compressed_without_accept_encoding(client: Client, directory: str) -> None:
    assert encoding(client, directory, {}) == ""


@pytest.mark.parametrize("cookie", ("__session", "__session_UJnP10a8", settings.SESSION_COOKIE_NAME))
def test_page_is_not_compressed_for_signed_in_users(client: Client, directory: str, cookie: str) -> None:
    client.cookies[cookie] = "anything"
    assert encoding(client, directory) == ""


def test_page_is_not_compressed_for_bearer_tokens(client: Client, directory: str) -> None:
    assert encoding(client, directory, {**GZIP, "authorization": "Bearer anything"}) == ""


def test_api_response_is_not_compressed(client: Client, directory: str) -> None:
    assert encoding(client, "/api/profiles/builders") == ""
