"""How a card tells a rate."""

from django import template
from django.utils.formats import number_format

from profiles.models import BuilderProfile

register = template.Library()


@register.filter
def rate(profile: BuilderProfile) -> str:
    """Say the hourly rate with its currency, and without decimals where there are none."""
    if not profile.hourly_rate:
        return ""
    decimals = 0 if profile.hourly_rate == int(profile.hourly_rate) else 2
    return f"{number_format(profile.hourly_rate, decimals, force_grouping=True)}\u00a0{profile.currency}"
