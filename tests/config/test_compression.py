"""Pages travel small to visitors; what holds secrets, and what programs compare, travels as it is."""

import gzip
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db

PACKED = {"accept-encoding": "gzip, br"}


def encoding(client: Client, path: str, headers: dict[str, Any] = PACKED) -> str:
    return client.get(path, headers=headers).get("Content-Encoding", "")


@pytest.fixture
def directory() -> str:
    BuilderProfileFactory.create_batch(3)
    return "/builders/"


def test_a_visitors_page_is_compressed(client: Client, directory: str) -> None:
    response = client.get(directory, headers=PACKED)
    assert response["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response["Vary"]
    assert b"<h1>Builders</h1>" in gzip.decompress(response.content)
    assert len(response.content) < len(client.get(directory).content) / 2


def test_whoever_cannot_unpack_gets_it_as_it_is(client: Client, directory: str) -> None:
    assert encoding(client, directory, {}) == ""


@pytest.mark.parametrize("cookie", ("__session", "__session_UJnP10a8", settings.SESSION_COOKIE_NAME))
def test_pages_of_people_who_are_signed_in_do_not_tell_secrets_by_their_length(
    client: Client, directory: str, cookie: str
) -> None:
    client.cookies[cookie] = "somebody"
    assert encoding(client, directory) == ""


def test_nor_do_pages_for_a_bearer(client: Client, directory: str) -> None:
    assert encoding(client, directory, {**PACKED, "authorization": "Bearer somebody"}) == ""


def test_etags_of_the_api_stay_strong(client: Client, directory: str) -> None:
    assert encoding(client, "/api/profiles/builders") == ""
