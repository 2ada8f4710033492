"""Guess a visitor's currency from the browser languages."""

from profiles.models.choices import Currency

_EURO = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"
#: Currencies whose code does not start with the country code, by ISO 3166 country.
_BY_COUNTRY = dict.fromkeys(_EURO.split(), "EUR") | {"LI": "CHF", "GL": "DKK"}


def from_header(header: str) -> str:
    """Return the currency of the first country in an Accept-Language header, for example "PLN" for `pl-PL`, or ""."""
    for part in header[:200].split(","):
        language, _separator, country = part.partition(";")[0].strip().upper().rpartition("-")
        if not language:
            continue
        code = _BY_COUNTRY.get(country) or next((each for each in Currency.values if each[:2] == country), "")
        if code:
            return code
    return ""
