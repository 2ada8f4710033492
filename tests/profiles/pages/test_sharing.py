"""Link previews and structured data for builder pages."""

import io
import json
import re
import time
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.test import Client
from PIL import Image, ImageChops
from pytest_django import DjangoAssertNumQueries

from profiles.models import Badge, BuilderProfile
from profiles.pages import share_card, text_rendering
from profiles.pages.share_card import Card
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

URL = "/builders/olive-owner/"
IMAGE_URL = f"{URL}card.png"
HOSTILE = '</script><script>alert("x")</script><!-- & \u2028'


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", introduced=True, user__name="Olive Owner"
    )
    return profile


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> InMemoryStorage:
    """Store portraits in memory."""
    memory = InMemoryStorage()
    monkeypatch.setattr(BuilderProfile._meta.get_field("image"), "storage", memory)
    return memory


def meta(client: Client) -> dict[str, str]:
    """Return the page's OpenGraph and Twitter tags."""
    text = client.get(URL).content.decode()
    found = re.findall(r'<meta (?:property|name)="((?:og|twitter):[^"]+)" content="([^"]*)">', text)
    assert len(found) == len(dict(found))
    return {name: unescape(content) for name, content in found}


def json_ld(client: Client) -> Any:
    """Return the JSON-LD data, parsed from the HTML."""
    [text] = re.findall(
        r'<script type="application/ld\+json">(.*?)</script', client.get(URL).content.decode(), re.DOTALL
    )
    return json.loads(text)


# --- Metadata ---


def test_opengraph_tags(olive: BuilderProfile, client: Client) -> None:
    assert meta(client) == {
        "og:type": "profile",
        "og:site_name": "Buildappswith",
        "og:title": "Olive Owner",
        "og:description": "Field apps that work offline",
        "og:url": "http://testserver/builders/olive-owner/",
        "og:image": f"http://testserver{IMAGE_URL}?v={Card.from_profile(olive).digest}",
        "og:image:type": "image/png",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "Olive Owner on Buildappswith",
        "twitter:card": "summary_large_image",
    }


def test_json_ld_contains_public_fields(olive: BuilderProfile, client: Client) -> None:
    fields = {"tagline": "In mud", "location": "Kraków", "domains": ["data"], "skills": ["Maps"], "expertise": ["Sync"]}
    BuilderProfile.objects.update(**fields, links=["https://github.com/olive"])
    Badge.objects.create(builder=olive, kind="code", evidence="Seen", awarded_by=UserFactory.create())
    facts = json_ld(client)
    assert (facts["@context"], facts["@type"]) == ("https://schema.org", "ProfilePage")
    assert facts["mainEntity"] == {
        "@type": "Person",
        "@id": "http://testserver/builders/olive-owner/#person",
        "name": "Olive Owner",
        "url": "http://testserver/builders/olive-owner/",
        "jobTitle": "Field apps that work offline",
        "description": "In mud",
        "homeLocation": {"@type": "Place", "name": "Kraków"},
        "knowsAbout": ["Data and dashboards", "Maps", "Sync"],
        "award": ["Code reviewed"],
        "sameAs": ["https://github.com/olive"],
    }


@pytest.mark.parametrize("field", ("display_name", "headline", "tagline", "location"))
def test_user_text_cannot_end_the_script_element(olive: BuilderProfile, client: Client, field: str) -> None:
    BuilderProfile.objects.update(**{field: HOSTILE})
    assert HOSTILE in json.dumps(json_ld(client), ensure_ascii=False).replace('\\"', '"')
    assert "<script>alert" not in client.get(URL).content.decode()
    assert meta(client)["og:type"] == "profile"


def test_hidden_page_has_no_metadata(olive: BuilderProfile) -> None:
    BuilderProfile.objects.update(hidden_at=SINCE)
    for url in (URL, f"{URL}?as=visitor"):
        text = signed_in(olive.user).get(url).content.decode()
        assert "og:" not in text
        assert "ld+json" not in text


# --- Share image ---


def share_image(client: Client, url: str = IMAGE_URL) -> Image.Image:
    response = client.get(url)
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert len(response.content) < 400_000
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


@pytest.mark.usefixtures("olive")
def test_image_size_matches_the_metadata(client: Client) -> None:
    assert share_image(client).size == (1200, 630)


@pytest.mark.usefixtures("olive")
def test_matching_etag_returns_304(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    response = client.get(IMAGE_URL)
    assert "public" in response["Cache-Control"]
    assert "max-age=3600" in response["Cache-Control"]
    monkeypatch.setattr(share_card, "draw", None)
    again = client.get(IMAGE_URL, headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", response["ETag"])


@pytest.mark.parametrize(
    "changed", ({"display_name": "O."}, {"headline": "New"}, {"validation_tier": 2}, {"image": "portraits/new.png"})
)
def test_etag_and_url_change_with_the_image(
    olive: BuilderProfile, client: Client, storage: InMemoryStorage, changed: dict[str, Any]
) -> None:
    before, old_url = client.get(IMAGE_URL)["ETag"], meta(client)["og:image"]
    BuilderProfile.objects.update(**changed)
    assert client.get(IMAGE_URL)["ETag"] != before
    assert meta(client)["og:image"] != old_url


def test_other_fields_do_not_change_the_digest(olive: BuilderProfile) -> None:
    before = Card.from_profile(olive).digest
    olive.bio, olive.skills, olive.hourly_rate = "New", ["New"], None
    assert Card.from_profile(olive).digest == before


@pytest.mark.parametrize("reason", ("hidden_at", "unpublished_at", "archived_at", "deleted_at"))
def test_hidden_page_has_no_image(olive: BuilderProfile, client: Client, reason: str) -> None:
    client.get(IMAGE_URL)
    BuilderProfile.objects.update(**{reason: SINCE})
    for browser in (client, signed_in(olive.user)):
        assert browser.get(IMAGE_URL).status_code == 404


@pytest.mark.usefixtures("olive")
def test_image_uses_one_query(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        client.get(IMAGE_URL)


@pytest.mark.parametrize("slug", ("unknown", "\x00", "x" * 5000, "%", "' OR 1=1 --", ".."))
def test_unknown_slug_has_no_image(client: Client, slug: str) -> None:
    assert client.get(f"/builders/{quote(slug, safe='')}/card.png").status_code == 404


def test_uploaded_portrait_is_drawn(olive: BuilderProfile, client: Client, storage: InMemoryStorage) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (900, 600), "#2040c0").save(buffer, "JPEG")
    BuilderProfile.objects.update(image=storage.save("portraits/a.jpg", ContentFile(buffer.getvalue())))
    assert share_image(client).convert("RGB").getpixel((1000, 300)) in ((32, 64, 192), (33, 64, 191))


@pytest.mark.parametrize("content", (None, b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"x" * 99))
def test_initials_replace_an_unreadable_portrait(
    olive: BuilderProfile, client: Client, storage: InMemoryStorage, content: bytes | None
) -> None:
    plain = share_image(client).tobytes()
    name = "portraits/away.png" if content is None else storage.save("portraits/b.png", ContentFile(content))
    BuilderProfile.objects.update(image=name)
    assert share_image(client).tobytes() == plain


def test_clerk_picture_is_not_fetched(olive: BuilderProfile, client: Client) -> None:
    plain = client.get(IMAGE_URL)["ETag"]
    type(olive.user).objects.update(image_url="https://img.clerk.com/olive")
    assert client.get(IMAGE_URL)["ETag"] == plain


# --- Text ---


def render_name(name: str) -> bytes:
    return share_card.draw(Card(text_rendering.drawable_text(name), "", 1, "New here", "", "pine", ""))


WITHOUT_NAME = ""
LONG = "Maximiliane Alexandra Wolkenstein-Hohenfels zu Donaueschingen " * 2


@pytest.mark.parametrize("name", ("Olive", "Zofia Wąsowska-Łęcka", "Ægir Þór", LONG[:120], "W" * 120, "a" * 120))
def test_latin_names_need_no_system_fonts(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(text_rendering, "SYSTEM_FONTS", ())
    assert render_name(name) != render_name(WITHOUT_NAME)


@pytest.mark.parametrize("name", ("高橋 美咲", "ليلى منصور", "नेहा", "Ngozi Adébáyọ̀ 高", "\ufffe\uffff"))
def test_name_without_a_font_is_omitted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(text_rendering, "SYSTEM_FONTS", ())
    share_card.draw.cache_clear()
    assert render_name(name) == render_name(WITHOUT_NAME)
    share_card.draw.cache_clear()


@pytest.mark.parametrize("name", ("Tiago Nascimento Brandão", LONG[:120], "W" * 120))
def test_text_does_not_overlap_wordmark_and_tier(name: str) -> None:
    card = Card(name, "Words and more words, " * 7, 1, "", "", "pine", "")
    with Image.open(io.BytesIO(share_card.draw(card))) as image:
        left = image.convert("L").crop((0, 0, share_card.WIDTH - share_card.PORTRAIT_WIDTH, share_card.HEIGHT))
    empty = Image.new("L", left.size, left.getpixel((0, 0)))
    for top, bottom in ((104, 124), (508, 520)):
        box = (0, top, left.width, bottom)
        assert ImageChops.difference(left.crop(box), empty.crop(box)).getbbox() is None


def test_emoji_are_removed_from_names() -> None:
    assert text_rendering.drawable_text("Olive 🌿 Owner 👩🏽‍💻") == "Olive Owner"
    assert render_name("Olive 🌿") == render_name("Olive")


def test_longest_text_is_drawn_quickly() -> None:
    def took_s() -> float:
        share_card.draw.cache_clear()
        started = time.thread_time()
        share_card.draw(Card("W" * 120, "m " * 80, 3, "Expert", "WW", "clay", ""))
        return time.thread_time() - started

    assert any(took_s() < 1 for _ in range(3))


def test_vietnamese_uses_brand_fonts() -> None:
    assert text_rendering.Face(text_rendering.SERIF, 40, 480).uses_brand_fonts("Thảo Linh Nguyễn")
    assert text_rendering.Face(text_rendering.ITALIC, 40).uses_brand_fonts("Từ ý tưởng đến ứng dụng đầu tiên")
