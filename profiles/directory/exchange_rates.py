"""Approximate conversion of rates to US dollars, for sorting and filtering only.

Converted rates are never displayed.
"""

from datetime import date
from decimal import Decimal

from profiles.models.choices import Currency

#: Date of the European Central Bank's reference rates. They do not include NGN, so its rate is a rounded estimate.
#: Source: https://www.ecb.europa.eu/stats/eurofxref/ After a change, run `manage.py index_profiles`.
AS_OF = date(2026, 10, 30)
_DOLLARS_PER_EURO = Decimal("1.1172")
_PER_EURO = {
    Currency.AUD: Decimal("1.5904"),
    Currency.BRL: Decimal("6.0692"),
    Currency.CAD: Decimal("1.5606"),
    Currency.CHF: Decimal("0.9194"),
    Currency.EUR: Decimal(1),
    Currency.GBP: Decimal("0.8338"),
    Currency.INR: Decimal("106.084"),
    Currency.JPY: Decimal("175.68"),
    Currency.NGN: Decimal(1600),
    Currency.PLN: Decimal("4.4038"),
    Currency.SEK: Decimal("10.978"),
    Currency.USD: _DOLLARS_PER_EURO,
}


def to_usd(amount: Decimal, currency: str) -> int:
    """Return `amount` in whole US dollars, at least 1."""
    return max(1, round(Decimal(amount) / _PER_EURO[Currency(currency)] * _DOLLARS_PER_EURO))
