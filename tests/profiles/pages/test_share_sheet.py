"""Sharing a builder page: the share sheet, the contact card and the embeddable card."""

import re
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from profiles.models import BuilderProfile
from profiles.pages.vcard import vcard_of
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db

URL = "/builders/olive-owner/"
EMAIL = "olive.private@example.com"


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", user__name='Olive "O" <Owner>', user__email=EMAIL, headline="Maps; sync, offline"
    )
    return profile


class TestContactCard:
    def test_contains_public_facts_and_no_email_address(self, olive: BuilderProfile, client: Client) -> None:
        response = client.get(f"{URL}contact.vcf")
        assert response["Content-Type"] == "text/vcard; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="olive-owner.vcf"'
        text = response.content.decode()
        assert text.startswith("BEGIN:VCARD\r\nVERSION:3.0\r\n")
        assert "TITLE:Maps\\; sync\\, offline\r\n" in text
        assert f"URL:http://testserver{URL}\r\n" in text
        assert "@" not in text
        assert "TEL" not in text

    def test_line_breaks_cannot_add_properties(self, olive: BuilderProfile) -> None:
        olive.location = "Kraków\r\nEMAIL:evil@example.com"
        text = vcard_of(olive, page_url="https://example.com/", image_url="")
        assert not any(line.startswith("EMAIL") for line in text.split("\r\n"))

    def test_long_lines_are_folded_between_characters(self, olive: BuilderProfile) -> None:
        olive.headline = "地図" * 80
        text = vcard_of(olive, page_url="https://example.com/", image_url="")
        assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
        assert olive.headline in text.replace("\r\n ", "")


class TestEmbeddedCard:
    def test_is_the_same_for_every_viewer(self, olive: BuilderProfile, client: Client) -> None:
        text = client.get(f"{URL}card/").content
        client.cookies["currency"] = "EUR"
        for browser in (client, signed_in(olive.user), signed_in(BuilderProfileFactory.create().user)):
            assert browser.get(f"{URL}card/").content == text
        assert b"<script" not in text
        assert EMAIL.encode() not in text

    def test_is_cached_like_the_page(
        self, olive: BuilderProfile, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client.cookies["__clerk_db_jwt"] = "dvb_any"  # Development instances redirect other browsers to Clerk.
        page, card = client.get(URL), client.get(f"{URL}card/")
        assert card["Cache-Control"] == page["Cache-Control"]
        with django_assert_num_queries(1):
            assert client.get(f"{URL}card/", headers={"If-None-Match": card["ETag"]}).status_code == 304
        BuilderProfile.objects.filter(pk=olive.pk).update(unpublished_at=timezone.now())
        assert client.get(f"{URL}card/").status_code == 404


class TestShareSheet:
    def test_contains_link_files_and_embed_code(self, olive: BuilderProfile) -> None:
        text = signed_in(olive.user).get(URL).content.decode()
        for href in ("card.png", "contact.vcf", "card/"):
            assert f'href="{URL}{href}"' in text
        [code] = re.findall(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)
        frame = unescape(code)
        assert frame.startswith(
            f'<iframe src="http://testserver{URL}card/" title="Olive &quot;O&quot; &lt;Owner&gt; on'
        )

    def test_is_hidden_while_the_page_is_not_public(self, olive: BuilderProfile) -> None:
        BuilderProfile.objects.filter(pk=olive.pk).update(unpublished_at=timezone.now())
        assert "contact.vcf" not in signed_in(olive.user).get(URL).content.decode()
