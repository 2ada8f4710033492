"""Generate `profiles/directory/country_names.tsv` from the names in CLDR, which Babel contains.

Run `WRITE_COUNTRY_NAMES=1 pytest tests/profiles/directory/test_countries.py` after an update of Babel or after adding a language
to the interface, commit the file, and run `manage.py index_profiles` on the site.
"""

from collections import Counter
from collections.abc import Iterator

from babel import Locale
from babel.core import get_cldr_version
from babel.languages import get_official_languages
from babel.localedata import exists

from profiles.directory.countries import ALIASES

#: The languages of the interface, in the order of the columns.
INTERFACE = ("en", "de", "ar")
#: Builders often write country names in these languages, and their own country's name in its official languages.
WIDESPREAD = ["es", "fr", "pt", "it", "nl", "pl", "ru", "uk", "tr", "zh", "zh_Hant", "ja", "ko", "hi", "id", "vi"]
#: Codes for groups of countries, for parts of other countries and for no country.
NOT_COUNTRIES = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
#: CLDR's names are long, and Babel does not contain the short ones.
SHORT_NAMES = {
    "HK": ("Hong Kong", "Hongkong", "هونغ كونغ"),
    "MM": ("Myanmar", "Myanmar", "ميانمار"),
    "MO": ("Macao", "Macau", "ماكاو"),
}


def lines() -> Iterator[str]:
    names = {code: list(dict.fromkeys(_names(code))) for code in sorted(Locale("en").territories) if _is_country(code)}
    number = Counter(name.casefold() for each in names.values() for name in set(each))
    yield f"# CLDR {get_cldr_version()}, https://cldr.unicode.org. License: https://www.unicode.org/license.txt"
    for code, all_names in names.items():
        shown = SHORT_NAMES.get(code) or [Locale(language).territories[code] for language in INTERFACE]
        others = [name for name in all_names if name not in shown and number[name.casefold()] == 1]
        yield "\t".join([code, *shown, "|".join(others)])


def _names(code: str) -> Iterator[str]:
    official = [language for language in get_official_languages(code, regional=True) if exists(language)]
    for language in (*INTERFACE, *WIDESPREAD, *official):
        if name := Locale.parse(language).territories.get(code):
            yield name
    yield from ALIASES.get(code, ())


def _is_country(code: str) -> bool:
    return len(code) == 2 and code.isalpha() and code not in NOT_COUNTRIES
