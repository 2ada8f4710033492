"""How facts of profiles are put in words and numbers."""

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from django import template
from django.templatetags.tz import do_timezone
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext, pgettext

from profiles.models import Domain
from profiles.pages import markdown as rendering

register = template.Library()

#: As English writes them; the other currencies are written by their codes. Source: CLDR, en.
SYMBOLS = {"AUD": "A$", "BRL": "R$", "CAD": "CA$", "EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥", "USD": "$"}
#: Of what a link shows after its host.
LONGEST_PATH = 24


@register.filter
def markdown(text: str) -> SafeString:
    """Show what somebody wrote in Markdown."""
    return rendering.to_html(text)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """Show an amount as the language writes it, and without decimals where there are none."""
    number = number_format(amount, 0 if amount == int(amount) else 2, force_grouping=True)
    symbol = SYMBOLS.get(currency)
    if symbol is None:
        return pgettext("money by its code", "%(code)s\u00a0%(number)s") % {"code": currency, "number": number}
    return pgettext("money by its symbol", "%(symbol)s%(number)s") % {"symbol": symbol, "number": number}


@register.filter
def days_ago(moment: datetime) -> str:
    """Say how long ago something was, as people say it: today, yesterday, 3 days ago, 2 months ago."""
    days = (timezone.now() - moment).days
    if days < 1:
        return gettext("today")
    return gettext("yesterday") if days == 1 else gettext("%(time)s ago") % {"time": timesince(moment, depth=1)}


@register.filter
def time_ago(moment: datetime) -> str:
    """Say how long ago something was that may be a moment ago."""
    if timezone.now() - moment < timedelta(minutes=1):
        return gettext("a moment ago")
    return gettext("%(time)s ago") % {"time": timesince(moment, depth=1)}


@register.simple_tag
def local_time(zone: str) -> datetime | str:
    """Return what time it is in a zone of the IANA database, to be shown as it is there; "" if there is none such."""
    try:
        here: datetime | str = do_timezone(timezone.now(), zone) if zone else ""
    except (ValueError, OSError):  # such as ../x, which is no zone but looks like a file to zoneinfo
        return ""
    return here


@register.filter
def domain_label(value: str) -> str:
    return Domain.label_for(value)


@register.filter
def host(link: str) -> str:
    """Show where a link leads: the host, without the www that says nothing."""
    return (urlsplit(link).hostname or link).removeprefix("www.")


@register.filter
def path(link: str) -> str:
    """Show what of a link comes after the host, unless it is long."""
    rest = urlsplit(link).path.rstrip("/")
    return rest if len(rest) <= LONGEST_PATH else ""
