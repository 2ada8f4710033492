from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.templatetags.tz import do_timezone
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext_lazy, pgettext

from core import markdown as rendering
from profiles.directory import exchange_rates, terms
from profiles.directory.indexing import RATE_STEPS
from profiles.localization import languages
from profiles.models import BuilderProfile, Currency, Domain

register = template.Library()

#: English currency symbols from CLDR. Other currencies are shown with their code.
SYMBOLS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "CA$",
    "CNY": "CN¥",
    "EUR": "€",
    "GBP": "£",
    "HKD": "HK$",
    "ILS": "₪",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "MXN": "MX$",
    "NZD": "NZ$",
    "PHP": "₱",
    "TWD": "NT$",
    "USD": "$",
    "VND": "₫",
}
#: Whole phrases, because some languages decline the unit after their word for "ago".
PAST_TIMES: dict[str, Any] = {
    "year": ngettext_lazy("%(num)d year ago", "%(num)d years ago", "num"),
    "month": ngettext_lazy("%(num)d month ago", "%(num)d months ago", "num"),
    "week": ngettext_lazy("%(num)d week ago", "%(num)d weeks ago", "num"),
    "day": ngettext_lazy("%(num)d day ago", "%(num)d days ago", "num"),
    "hour": ngettext_lazy("%(num)d hour ago", "%(num)d hours ago", "num"),
    "minute": ngettext_lazy("%(num)d minute ago", "%(num)d minutes ago", "num"),
}
#: Maximum length of a path shown after a link's host.
MAX_PATH_LENGTH = 24
#: Number of cards that fit on the first screen of a large display.
FIRST_SCREEN_CARDS = 4
MAX_CARD_SKILLS = 3
#: "postgres" matches PostgreSQL, but "go" does not match Google Ads.
MIN_PREFIX_LENGTH = 4
CARD_LANGUAGES = 3


@register.filter
def markdown(text: str) -> SafeString:
    return rendering.to_html(text)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Format an amount for the active language. Whole amounts have no decimals."""
    number = number_format(amount, 0 if amount == int(amount) else 2, force_grouping=True)
    symbol = SYMBOLS.get(currency)
    if symbol is None:
        text = pgettext("amount with currency code", "%(code)s %(number)s") % {"code": currency, "number": number}
    else:
        text = pgettext("amount with currency symbol", "%(symbol)s%(number)s") % {"symbol": symbol, "number": number}
    return text.replace(" ", "\u00a0")  # not in the text to translate, because xgettext does not read escapes


@register.filter
def rate_band(band: str, currency: str) -> str:
    """Format a band of hourly rates, such as "€36–€72", in a currency or in US dollars if it is "".

    Builders are filtered by their rates in dollars, so that converted limits are approximate.

    Args:
        band: a value of the directory's rate filter, which is the number of `RATE_STEPS` at or below the rates.
    """
    currency, index = currency or Currency.USD, int(band)
    amounts = [money(exchange_rates.about(Decimal(step), Currency.USD, currency), currency) for step in RATE_STEPS]
    if index == 0:
        return gettext("Under %(amount)s") % {"amount": amounts[0]}
    if index == len(amounts):
        return gettext("%(amount)s or more") % {"amount": amounts[-1]}
    return gettext("%(low)s–%(high)s") % {"low": amounts[index - 1], "high": amounts[index]}


@register.simple_tag
def about(amount: Decimal | None, currency: str, other: str) -> str:
    """Convert an amount to the visitor's currency, such as "about €85". Return "" without a different currency."""
    if not amount or not other or other == currency:
        return ""
    return gettext("about %(amount)s") % {"amount": money(exchange_rates.about(amount, currency, other), other)}


@register.filter
def days_ago(moment: datetime) -> str:
    """Format a past time in days or months: "today", "yesterday", "3 days ago" or "2 months ago"."""
    days = (timezone.now() - moment).days
    if days < 1:
        return gettext("today")
    return gettext("yesterday") if days == 1 else _ago(moment)


@register.filter
def time_ago(moment: datetime) -> str:
    """Format a past time in minutes or longer units: "a moment ago" or "3 minutes ago"."""
    if timezone.now() - moment < timedelta(minutes=1):
        return gettext("a moment ago")
    return _ago(moment)


def _ago(moment: datetime) -> str:
    return timesince(moment, time_strings=PAST_TIMES, depth=1)


@register.simple_tag
def local_time(zone: str) -> datetime | str:
    """Return the current local time in an IANA time zone, or "" if the zone is unknown."""
    try:
        now: datetime | str = do_timezone(timezone.now(), zone) if zone else ""
    except (ValueError, OSError):  # zoneinfo treats values such as ../x as file names
        return ""
    return now


@register.filter
def card_skills(skills: Sequence[str], wanted: Collection[str]) -> list[str]:
    """Return the skills to show on a card: first those that the visitor searches for, then the builder's main skills."""
    first = [skill for skill in skills if _is_wanted(terms.term_key(skill), wanted)] if wanted else []
    return [*first, *(skill for skill in skills if skill not in first)][:MAX_CARD_SKILLS]


def _is_wanted(key: str, wanted: Collection[str]) -> bool:
    return key in wanted or any(len(each) >= MIN_PREFIX_LENGTH and key.startswith(each) for each in wanted)


@register.filter
def below_fold(position: int) -> bool:
    """Return whether the card at this position of a list, counted from 1, is outside the first screen."""
    return position > FIRST_SCREEN_CARDS


@register.filter
def domain_label(value: str) -> str:
    return Domain.label_for(value)


@register.filter
def lang_attr(code: str) -> SafeString:
    """Return a `lang` attribute for the builder's text, or "" if no language is set."""
    return format_html(' lang="{}"', code) if code else SafeString("")


register.filter("language", languages.described)


@register.filter
def language_names(entries: list[str]) -> str:
    """Return the names of the first few languages, without levels, for a card."""
    return ", ".join(languages.name(languages.split(entry)[0]) for entry in entries[:CARD_LANGUAGES])


@register.filter
def is_future(day: date | None) -> bool:
    return day is not None and day > timezone.localdate()


@register.filter
def host(link: str) -> str:
    return (urlsplit(link).hostname or link).removeprefix("www.")


@register.filter
def path(link: str) -> str:
    """Return a link's path, or "" if it is longer than `MAX_PATH_LENGTH`."""
    link_path = urlsplit(link).path.rstrip("/")
    return link_path if len(link_path) <= MAX_PATH_LENGTH else ""


@register.simple_tag
def tiers() -> list[tuple[BuilderProfile.Tier, str]]:
    """Return each tier with its meaning, the highest tier first."""
    return [(tier, str(BuilderProfile.TIER_MEANINGS[tier])) for tier in reversed(BuilderProfile.Tier)]
