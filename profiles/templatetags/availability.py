"""The switch for a builder's availability, wherever its owner is."""

from typing import Any

from django import template
from django.urls import reverse

from profiles.models import Availability, BuilderProfile

register = template.Library()


@register.inclusion_tag("profiles/_availability_switch.html", takes_context=True)
def availability_switch(context: template.Context, profile: BuilderProfile, *, in_bar: bool = False) -> dict[str, Any]:
    """Show the switch. It posts by itself, by htmx where that is loaded, and comes back to the page it is on.

    Args:
        in_bar: it stands in the bar of the builder's page, and what is answered takes the place of the whole bar.
    """
    facts = {name: context.get(name) for name in ("error", "is_confirmed")}
    back = profile.get_absolute_url() if in_bar else reverse("accounts:account")
    return {"profile": profile, "choices": Availability.choices, "in_bar": in_bar, "next": back, **facts}
