"""Fifty searches in clients' wording list a suitable builder first. The searches are in queries.toml."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from profiles.directory import terms, vocabulary
from profiles.directory.query import DirectoryQuery
from profiles.directory.search import find
from profiles.models import BuilderProfile
from tests.helpers.demo_builders import create_demo_builders

QUERIES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("queries.toml").read_text("utf-8"))["queries"]


@pytest.fixture(scope="module")
def demo(module_rows: None) -> dict[str, BuilderProfile]:
    builders = create_demo_builders()
    vocabulary.rebuild()
    return builders


def is_true(fact: str, builder: BuilderProfile, demo: dict[str, BuilderProfile]) -> bool:
    kind, value = fact.split(":")
    if kind == "user":
        return builder == demo[value]
    if kind == "word":
        texts = (builder.headline, builder.tagline, builder.bio, builder.location, *builder.expertise)
        return value in {word for text in texts for word in terms.index_words(text)}
    return value in {"domain": builder.domains, "skill": builder.skills}[kind]


@pytest.mark.django_db
@pytest.mark.usefixtures("shipped_synonyms")
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["text"])
def test_first_result_has_an_expected_attribute(query: dict[str, Any], demo: dict[str, BuilderProfile]) -> None:
    page = find(DirectoryQuery(query["text"]))
    found = [builder.name for builder in page.builders]
    assert found, (page.match, page.understood)
    assert any(is_true(fact, page.builders[0], demo) for fact in query["first"]), (page.match, found, page.understood)


def test_there_are_fifty_queries() -> None:
    assert len({query["text"] for query in QUERIES}) == 50
