"""Approximate conversion of hourly rates, for sorting and filtering and for display in the visitor's currency.

Pages label converted amounts with "about" and the date of the exchange rates.
"""

from datetime import date
from decimal import Decimal

from profiles.models.choices import Currency

#: Date of the European Central Bank reference rates. The second part of the table has rounded estimates for that day.
#: Source: https://www.ecb.europa.eu/stats/eurofxref/ After a change, run `manage.py index_profiles`.
AS_OF = date(2026, 10, 30)
_DOLLARS_PER_EURO = Decimal("1.1172")
_ESTIMATES = {
    Currency.AED: Decimal("4.10"),
    Currency.ARS: Decimal(1650),
    Currency.BDT: Decimal(137),
    Currency.CLP: Decimal(1060),
    Currency.CNY: Decimal("7.95"),
    Currency.COP: Decimal(4450),
    Currency.CZK: Decimal("24.4"),
    Currency.DKK: Decimal("7.46"),
    Currency.EGP: Decimal(54),
    Currency.GHS: Decimal("12.6"),
    Currency.HKD: Decimal("8.70"),
    Currency.HUF: Decimal(388),
    Currency.IDR: Decimal(18700),
    Currency.ILS: Decimal("3.70"),
    Currency.ISK: Decimal(142),
    Currency.KES: Decimal(144),
    Currency.KRW: Decimal(1640),
    Currency.KZT: Decimal(590),
    Currency.LKR: Decimal(340),
    Currency.MAD: Decimal("10.5"),
    Currency.MXN: Decimal("20.6"),
    Currency.MYR: Decimal("4.72"),
    Currency.NGN: Decimal(1600),
    Currency.NOK: Decimal("11.7"),
    Currency.NZD: Decimal("1.95"),
    Currency.PEN: Decimal("3.85"),
    Currency.PHP: Decimal(65),
    Currency.PKR: Decimal(315),
    Currency.QAR: Decimal("4.07"),
    Currency.RON: Decimal("5.09"),
    Currency.RSD: Decimal(117),
    Currency.SAR: Decimal("4.19"),
    Currency.SGD: Decimal("1.45"),
    Currency.THB: Decimal("36.4"),
    Currency.TRY: Decimal(47),
    Currency.TWD: Decimal("34.5"),
    Currency.UAH: Decimal(47),
    Currency.VND: Decimal(29500),
    Currency.ZAR: Decimal("19.6"),
}
_PER_EURO = {
    Currency.AUD: Decimal("1.5904"),
    Currency.BRL: Decimal("6.0692"),
    Currency.CAD: Decimal("1.5606"),
    Currency.CHF: Decimal("0.9194"),
    Currency.EUR: Decimal(1),
    Currency.GBP: Decimal("0.8338"),
    Currency.INR: Decimal("106.084"),
    Currency.JPY: Decimal("175.68"),
    Currency.PLN: Decimal("4.4038"),
    Currency.SEK: Decimal("10.978"),
    Currency.USD: _DOLLARS_PER_EURO,
    **_ESTIMATES,
}


def to_usd(amount: Decimal, currency: str) -> int:
    """Return `amount` in whole US dollars, at least 1."""
    return max(1, round(_convert(amount, currency, Currency.USD)))


def about(amount: Decimal, currency: str, other: str) -> Decimal:
    """Convert `amount` to another currency, rounded to two digits because the rates are approximate."""
    exact = _convert(amount, currency, other)
    step = Decimal(10) ** max(0, exact.adjusted() - 1)
    return max(Decimal(1), round(exact / step) * step)


def _convert(amount: Decimal, currency: str, other: str) -> Decimal:
    return Decimal(amount) / _PER_EURO[Currency(currency)] * _PER_EURO[Currency(other)]
