"""A project's own page: content, address, metadata, share image, caching and visibility."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from profiles.media import images
from profiles.media.images import PROJECT
from profiles.models import BuilderProfile, Project
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory, ProjectImageFactory, UserFactory
from tests.helpers.images import image_file, upload

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def client() -> Client:
    """Return a signed-out browser that has already completed a handshake."""
    browser = Client()
    browser.cookies["__clerk_db_jwt"] = "dvb_any"
    return browser


@pytest.fixture
def project() -> Project:
    builder = BuilderProfileFactory.create(slug="olive", user__name="Olive Owner", introduced=True, reachable=True)
    created: Project = ProjectFactory.create(
        builder=builder, title="Ledger for shops", description="Keeps the books.", technologies=["Django"]
    )
    for text in ("First", "Second"):
        ProjectImageFactory.create(project=created, alt=text)
    return created


def head(response: Any) -> str:
    return str(response.text.partition("</head>")[0])


def test_page_shows_the_project_with_all_images(project: Project, client: Client) -> None:
    other = ProjectFactory.create(builder=project.builder, title="Another map")
    shown = client.get(project.get_absolute_url()).text
    for part in ("Ledger for shops</h1>", "Keeps the books.", "Django", 'alt="First"', 'alt="Second"', "Olive Owner"):
        assert part in shown
    assert f'href="{other.get_absolute_url()}"' in shown
    assert 'href="/builders/olive/contact/"' in shown
    assert "/portfolio/" not in shown


def test_description_comes_before_the_images_and_facts_after_them(project: Project, client: Client) -> None:
    shown = client.get(project.get_absolute_url()).text.partition("<main")[2]
    positions = [shown.index(part) for part in ("Keeps the books.", 'alt="First"', 'alt="Second"', "Technologies")]
    assert positions == sorted(positions)


def test_owner_sees_links_to_the_forms(project: Project) -> None:
    shown = signed_in(project.builder.user).get(project.get_absolute_url()).text
    assert f'href="/builders/olive/portfolio/{project.pk}/images/"' in shown
    assert "/builders/olive/contact/" not in shown


@pytest.mark.parametrize("path", ("{pk}", "{pk}-", "{pk}-old-title", "{pk}-LEDGER-for-shops"))
def test_other_titles_redirect_to_the_address(project: Project, client: Client, path: str) -> None:
    response = client.get(f"/builders/olive/work/{path.format(pk=project.pk)}/")
    assert (response.status_code, response["Location"]) == (301, project.get_absolute_url())


def test_former_address_of_the_builder_redirects(project: Project, client: Client) -> None:
    old = project.get_absolute_url()
    project.builder.former_slugs.create(slug="olive-before")
    response = client.get(old.replace("/olive/", "/olive-before/"))
    assert (response.status_code, response["Location"]) == (301, old)


@pytest.mark.parametrize("title", ("سبّورة", "地図", "!!!", "x" * 120, "-", "<b>"))
def test_any_title_has_an_address(client: Client, title: str) -> None:
    project = ProjectFactory.create(title=title)
    assert client.get(project.get_absolute_url()).status_code == 200


@pytest.mark.parametrize("path", ("0", "9" * 18, "4711-ledger"))
def test_unknown_projects_are_not_found(project: Project, client: Client, path: str) -> None:
    assert client.get(f"/builders/olive/work/{path}/").status_code == 404


def test_project_of_another_builder_is_not_found(project: Project, client: Client) -> None:
    theirs = ProjectFactory.create()
    assert client.get(f"/builders/olive/work/{theirs.url_name}/").status_code == 404
    assert client.get(f"/builders/olive/work/{theirs.pk}/card.png").status_code == 404


@pytest.mark.parametrize("column", BuilderProfile.HIDDEN_BY_FIELDS)
def test_hidden_builder_page_hides_its_projects(project: Project, client: Client, column: str) -> None:
    BuilderProfile.objects.update(**{column: NOW})
    for path in (project.get_absolute_url(), f"/builders/olive/work/{project.pk}/card.png"):
        assert client.get(path).status_code == 404
    assert signed_in(UserFactory.create(admin=True)).get(project.get_absolute_url()).status_code == 200


def test_canonical_address_and_link_preview(project: Project, client: Client) -> None:
    found = head(client.get(project.get_absolute_url()))
    address = f"http://testserver{project.get_absolute_url()}"
    assert f'<link rel="canonical" href="{address}">' in found
    for name, content in {
        "og:type": "article",
        "og:title": "Ledger for shops by Olive Owner",
        "og:description": "Keeps the books.",
        "og:url": address,
        "og:image:alt": "Ledger for shops by Olive Owner on Buildappswith",
    }.items():
        assert f'<meta property="{name}" content="{content}">' in found
    assert found.count('property="og:image"') == 1
    assert '<meta name="description" content="Keeps the books.">' in found
    [script] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', found)
    work = json.loads(script)
    assert (work["@type"], work["name"], len(work["image"])) == ("CreativeWork", "Ledger for shops", 2)


def test_page_of_an_unlisted_builder_is_not_indexed(project: Project, client: Client) -> None:
    assert "X-Robots-Tag" not in client.get(project.get_absolute_url())
    BuilderProfile.objects.update(searchable=False)
    response = client.get(project.get_absolute_url())
    assert response["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in response.text


def test_share_image_shows_the_first_image(project: Project, client: Client, media: Path) -> None:
    with images.store(images.reencode(upload(image_file(900, 900)), PROJECT), "projects/") as name:
        ProjectImageFactory.create(project=project, image=name, position=0)
    project.images.exclude(image=name).delete()
    [address] = re.findall('og:image" content="http://testserver([^"]+)"', head(client.get(project.get_absolute_url())))
    response = client.get(address)
    with Image.open(io.BytesIO(response.content)) as drawn:
        assert drawn.size == (1200, 630)
        pixel: Any = drawn.convert("RGB").getpixel((750, 300))
        red, _, blue = pixel
    assert red > blue
    assert client.get(address, headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_visitor_page_executes_two_queries(
    project: Project, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):  # The profile with its user, and the projects with their images.
        client.get(project.get_absolute_url())


def test_page_is_revalidated_with_one_query(
    project: Project, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    address = project.get_absolute_url()
    etag = client.get(address)["ETag"]
    with django_assert_num_queries(1):
        assert client.get(address, headers={"If-None-Match": etag}).status_code == 304
    ProjectImageFactory.create(project=project, alt="Third")
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200


def test_markup_is_escaped(project: Project, client: Client) -> None:
    hostile = '</script><script>alert("x")</script>'
    Project.objects.update(title=hostile, description=hostile, technologies=[hostile])
    project.refresh_from_db()
    shown = client.get(project.get_absolute_url()).text
    assert "<script>alert" not in shown
