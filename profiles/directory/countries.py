"""Recognise the countries in builders' locations, and name them in the visitor's language.

Builders write their country in any language, and one country must be one entry of the filter.
"""

from functools import cache
from pathlib import Path

from django.utils.translation import get_language

from core.interface_languages import interface_language
from profiles.directory import terms

#: One country per line: ISO 3166 code, the names in `_COLUMNS`, and all other names. See tests/helpers/country_names.py.
TABLE = Path(__file__).with_name("country_names.tsv")
_COLUMNS = ("en", "de", "ar")
#: Common names that are not in the table's source.
ALIASES = {
    "AE": ("UAE",),
    "BA": ("Bosnia",),
    "CD": ("DR Congo", "Democratic Republic of the Congo"),
    "CG": ("Republic of the Congo",),
    "CI": ("Ivory Coast",),
    "CN": ("PRC", "Mainland China"),
    "CV": ("Cabo Verde",),
    "CZ": ("Czech Republic",),
    "GB": ("UK", "U.K.", "Great Britain", "England", "Scotland", "Wales", "Northern Ireland"),
    "HK": ("香港",),
    "KR": ("Korea", "Republic of Korea", "한국"),
    "MK": ("Macedonia",),
    "MM": ("Burma",),
    "MO": ("澳门", "澳門"),
    "NL": ("Holland", "The Netherlands"),
    "PS": ("Palestine",),
    "RU": ("Russian Federation",),
    "SZ": ("Swaziland",),
    "TR": ("Turkey",),
    "TH": ("ประเทศไทย",),
    "US": ("US", "USA", "U.S.", "U.S.A.", "United States of America", "America", "アメリカ"),
    "VN": ("Viet Nam",),
}


def code_of(name: str) -> str:
    """Return the ISO 3166 code of a country, or "" if `name` is not the name of a country."""
    return _codes().get(terms.term_key(name), "")


def english_name(code: str) -> str:
    return _names()[code]["en"]


def name(code: str) -> str:
    """Return the country's name in the active language."""
    return _names()[code].get(interface_language(get_language() or ""), english_name(code))


@cache
def _rows() -> list[list[str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


@cache
def _names() -> dict[str, dict[str, str]]:
    return {code: dict(zip(_COLUMNS, names, strict=True)) for code, *names, _others in _rows()}


@cache
def _codes() -> dict[str, str]:
    return {terms.term_key(each): row[0] for row in _rows() for each in (*row[1:-1], *row[-1].split("|")) if each}
