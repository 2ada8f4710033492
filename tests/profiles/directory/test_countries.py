"""Countries in builders' locations are recognised in many languages."""

import os

import pytest
from django.conf import settings
from django.utils import translation

from profiles.directory import countries
from profiles.directory.indexing import filter_term, place_of
from tests.helpers import country_names


def test_table_agrees_with_its_source() -> None:
    """If this fails after an update of Babel, write the table with WRITE_COUNTRY_NAMES=1. See `country_names`."""
    if os.environ.get("WRITE_COUNTRY_NAMES"):
        countries.TABLE.write_text("".join(f"{line}\n" for line in country_names.lines()), encoding="utf-8")
    assert countries.TABLE.read_text(encoding="utf-8").splitlines() == list(country_names.lines())


def test_every_country_has_a_name_in_every_language_of_the_interface() -> None:
    assert set(country_names.INTERFACE) == set(dict(settings.LANGUAGES))
    for code in ("BR", "DE", "JO"):
        names = set()
        for language in dict(settings.LANGUAGES):
            with translation.override(language):
                names.add(countries.name(code))
        assert len(names) == len(settings.LANGUAGES)


def test_each_name_belongs_to_one_country() -> None:
    names = [(name, row[0]) for row in countries._rows() for name in (*row[1:-1], *row[-1].split("|")) if name]
    assert [(name, code) for name, code in names if countries.code_of(name) != code] == []


@pytest.mark.parametrize(
    ("location", "place", "term"),
    (
        ("Recife, Brasil", "Brazil", "/place/BR"),
        ("Hà Nội, Việt Nam", "Vietnam", "/place/VN"),
        ("เชียงใหม่, ประเทศไทย", "Thailand", "/place/TH"),
        ("札幌市、日本", "Japan", "/place/JP"),
        ("Leeds, u.k.", "United Kingdom", "/place/GB"),
        ("თბილისი, საქართველო", "Georgia", "/place/GE"),
        ("San Francisco, CA", "CA", "/place/ca"),
        ("Bloomington, IN", "IN", "/place/in"),
        ("Kraków", "Kraków", "/place/krakow"),
        ("—", "", "/place/"),
    ),
)
def test_place_is_the_country_if_it_is_known(location: str, place: str, term: str) -> None:
    assert place_of(location) == place
    assert filter_term("place", place) == term
