"""robots.txt, the sitemap, canonical URLs and link previews of every public page."""

import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from profiles.models import BuilderProfile
from profiles.pages import sitemap
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory, UserFactory

pytestmark = pytest.mark.django_db

SITE = "http://testserver"


def locations(client: Client, path: str) -> list[str]:
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/xml"
    assert "public" in response["Cache-Control"]
    root = ET.fromstring(response.content)
    return [str(element.text) for element in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]


def head(client: Client, url: str) -> str:
    return str(client.get(url).content.decode().partition("</head>")[0])


class TestRobots:
    def test_robots_txt_references_the_sitemap(self, client: Client) -> None:
        text = client.get("/robots.txt").content.decode()
        assert f"\nSitemap: {SITE}/sitemap.xml\n" in text
        assert "Disallow: /builders/?\n" in text
        assert "Disallow: /\n" not in text
        assert client.get("/robots.txt")["Content-Type"].startswith("text/plain")


class TestSitemap:
    def test_index_lists_only_files_with_builders(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sitemap, "FILE_SIZE", 10)
        first = BuilderProfileFactory.create(introduced=True, pk=1010)
        last = BuilderProfileFactory.create(introduced=True, pk=1031)
        index = locations(client, "/sitemap.xml")
        assert index == [f"{SITE}/sitemap-{number}.xml" for number in (0, 101, 104)]
        for url, profile in zip(index[1:], (first, last), strict=True):
            assert locations(client, url.removeprefix(SITE)) == [SITE + profile.get_absolute_url()]
        assert client.get("/sitemap-102.xml").status_code == 404
        assert client.get(f"/sitemap-{'9' * 18}.xml").status_code == 404

    def test_projects_of_listed_builders_are_included(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        project = ProjectFactory.create(builder__introduced=True, title="Ärzte & Co", builder__slug="zofia-łęcka")
        for values in ({"headline": ""}, {"searchable": False}, {"hidden_at": timezone.now()}):
            hidden = BuilderProfileFactory.create(**{"introduced": True, **values})
            ProjectFactory.create(builder=hidden)
        [file] = [url for url in locations(client, "/sitemap.xml") if "work" in url]
        with django_assert_num_queries(1):
            assert locations(client, file[len(SITE) :]) == [SITE + project.get_absolute_url()]
        assert client.get("/sitemap-work-999.xml").status_code == 404
        assert client.get(project.get_absolute_url()).status_code == 200

    def test_site_without_builders_has_a_sitemap(self, client: Client) -> None:
        assert locations(client, "/sitemap.xml") == [f"{SITE}/sitemap-0.xml"]
        assert locations(client, "/sitemap-0.xml") == [f"{SITE}/", f"{SITE}/builders/"]

    def test_only_listed_builders_are_included(self, client: Client) -> None:
        listed = BuilderProfileFactory.create(introduced=True, slug="zofia-łęcka")
        for values in (
            {"headline": ""},
            {"searchable": False},
            {"hidden_at": timezone.now()},
            {"unpublished_at": timezone.now()},
            {"slug": None},
        ):
            BuilderProfileFactory.create(**{"introduced": True, **values})
        found = [url for file in locations(client, "/sitemap.xml")[1:] for url in locations(client, file[len(SITE) :])]
        assert found == [SITE + listed.get_absolute_url()]

    def test_sitemap_file_executes_one_query(
        self, client: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        profiles = [BuilderProfileFactory.create(introduced=True) for _ in range(3)]
        number = (profiles[0].pk - 1) // sitemap.FILE_SIZE + 1
        with django_assert_num_queries(1):
            assert len(locations(client, f"/sitemap-{number}.xml")) >= 1

    def test_files_stay_below_the_limits_of_search_engines(self) -> None:
        longest = len(f"<url><loc>https://{'x' * 253}/builders/{'%E7%BE%8E' * 100}/</loc></url>\n")
        assert sitemap.FILE_SIZE <= 50_000
        assert sitemap.FILE_SIZE * longest < 2 * 50 * 1024 * 1024


class TestLinkPreviews:
    @pytest.fixture
    def olive(self) -> BuilderProfile:
        profile: BuilderProfile = BuilderProfileFactory.create(introduced=True)
        return profile

    @pytest.mark.parametrize("url", ("/", "/builders/", "/builders/?q=maps", "/api/docs/", "/sign-in/"))
    def test_every_public_page_has_a_preview(self, client: Client, url: str) -> None:
        found = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]+)">', head(client, url)))
        assert {"type", "site_name", "title", "description", "image"} <= found.keys()
        assert found["type"] == "website"
        assert found["image"].startswith(f"{SITE}/static/img/share")

    def test_builder_page_has_one_link_preview(self, client: Client, olive: BuilderProfile) -> None:
        page = head(client, olive.get_absolute_url())
        assert re.findall(r'og:type" content="(\w+)"', page) == ["profile"]

    def test_hidden_and_missing_pages_have_no_preview(self, client: Client, olive: BuilderProfile) -> None:
        BuilderProfile.objects.update(hidden_at=timezone.now())
        assert "og:" not in head(client, "/nowhere/")
        assert "og:" not in head(signed_in(olive.user), olive.get_absolute_url())

    def test_title_of_a_search_is_escaped(self, client: Client) -> None:
        page = head(client, '/builders/?q="><script>')
        [title] = re.findall(r'og:title" content="([^"]*)"', page)
        assert unescape(title) == '"><script> · Builders · Buildappswith'

    def test_share_image_has_the_recommended_size(self) -> None:
        path = finders.find("img/share.png")
        assert path
        with Image.open(path) as image:
            assert image.size == (1200, 630)

    @pytest.mark.parametrize(
        ("url", "address"),
        (("/?utm_source=x", "/"), ("/builders/?sort=newest", "/builders/"), ("/api/docs/?a=b", "/api/docs/")),
    )
    def test_public_page_has_a_canonical_url(self, client: Client, url: str, address: str) -> None:
        assert f'<link rel="canonical" href="{SITE}{address}">' in head(client, url)

    def test_builder_page_has_a_canonical_url(self, client: Client, olive: BuilderProfile) -> None:
        page = head(client, f"{olive.get_absolute_url()}?utm_source=x")
        assert f'<link rel="canonical" href="{SITE}{olive.get_absolute_url()}">' in page

    def test_account_pages_have_no_canonical_url(self, client: Client) -> None:
        assert "canonical" not in head(signed_in(UserFactory.create()), "/account/")
