from typing import Any

from django import template
from django.urls import reverse

from profiles.models import Availability, BuilderProfile

register = template.Library()


@register.inclusion_tag("profiles/_availability_switch.html", takes_context=True)
def availability_switch(context: template.Context, profile: BuilderProfile, *, in_bar: bool = False) -> dict[str, Any]:
    """Render the form that changes and confirms a builder's availability.

    Args:
        in_bar: whether the form is part of the owner bar. If so, the response replaces the whole bar.
    """
    state = {name: context.get(name) for name in ("error", "is_confirmed")}
    next_url = profile.get_absolute_url() if in_bar else reverse("accounts:account")
    choices = [(value, label) for value, label in Availability.choices if value != Availability.NOT_STATED]
    return {"profile": profile, "choices": choices, "in_bar": in_bar, "next": next_url, **state}
