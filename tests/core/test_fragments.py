"""The `fragment` tag: caching, cache keys and expiry."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.core.cache import caches
from django.template import Context, Engine, TemplateSyntaxError
from django.utils import translation
from pytest_django import Settings

from config.environment import BASE_DIR
from core.templatetags.fragments import MAX_LENGTH

ENGINE = Engine(libraries={"fragments": "core.templatetags.fragments"})
CARD = "{% fragment 'card' version width %}{{ text }}{% endfragment %}"


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    caches["fragments"].clear()
    yield
    caches["fragments"].clear()


def render(text: str, source: str = CARD, version: object = "1", width: int = 1) -> str:
    template = ENGINE.from_string("{% load fragments %}" + source)
    return str(template.render(Context({"text": text, "version": version, "width": width})))


def test_fragment_is_rendered_once_for_each_version() -> None:
    assert [render("a"), render("b"), render("c", version="2"), render("d")] == ["a", "a", "c", "a"]


def test_every_value_is_part_of_the_key() -> None:
    assert [render("a"), render("b", width=2), render("c")] == ["a", "b", "a"]


def test_values_with_the_same_text_differ() -> None:
    assert [render("a", version="1"), render("b", version=1)] == ["a", "b"]


def test_language_is_part_of_the_key() -> None:
    assert render("Hello") == "Hello"
    with translation.override("de"):
        assert render("Hallo") == "Hallo"
    assert render("Hi") == "Hello"


@pytest.mark.parametrize("version", ("", None))
def test_fragment_without_a_version_is_rendered_each_time(version: object) -> None:
    assert [render("a", version=version), render("b", version=version)] == ["a", "b"]


def test_fragment_without_values_is_the_same_for_everyone() -> None:
    source = "{% fragment 'footer' %}{{ text }}{% endfragment %}"
    assert [render("a", source), render("b", source)] == ["a", "a"]


@pytest.mark.parametrize("personal", ('<input name="csrfmiddlewaretoken">', '<script nonce="abc">'))
def test_tokens_and_nonces_are_never_stored(personal: str) -> None:
    source = CARD.replace("{{ text }}", personal + "{{ text }}")
    assert [render("a", source), render("b", source)] == [personal + "a", personal + "b"]


def test_long_fragments_are_not_stored() -> None:
    long = "x" * (MAX_LENGTH + 1)
    assert [render(long), render("b")] == [long, "b"]


def test_fragments_are_rendered_each_time_with_debug(settings: Settings) -> None:
    settings.DEBUG = True
    assert [render("a"), render("b")] == ["a", "b"]


def test_text_is_escaped_once() -> None:
    assert [render("<b>"), render("<b>")] == ["&lt;b&gt;", "&lt;b&gt;"]


def test_number_of_stored_fragments_is_limited() -> None:
    limit = 2000
    for number in range(limit + 500):
        render("x", version=str(number))
        render("often used", version="often used")
    stored = cast(Any, caches["fragments"])._cache  # of Django's LocMemCache
    assert len(stored) <= limit
    assert render("again", version="often used") == "often used"


@pytest.mark.parametrize(
    "source",
    (
        "{% fragment %}{% endfragment %}",
        "{% fragment card %}{% endfragment %}",
        "{% fragment 'card' %}{% block b %}{% endblock %}{% endfragment %}",
    ),
)
def test_invalid_tags_are_rejected(source: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        render("", source)


def test_names_are_unique() -> None:
    texts = (path.read_text("utf-8") for path in BASE_DIR.joinpath("templates").rglob("*.html"))
    names = [name for text in texts for name in re.findall(r"{% fragment \"([^\"]+)\"", text)]
    assert "card" in names
    assert len(names) == len(set(names))
