"""The switch for a builder's availability, wherever its owner is."""

from typing import Any

from django import template

from profiles.models import Availability, BuilderProfile

register = template.Library()


@register.inclusion_tag("profiles/_availability_switch.html", takes_context=True)
def availability_switch(context: template.Context, profile: BuilderProfile) -> dict[str, Any]:
    """Show the switch. It posts by itself, by htmx where that is loaded, and comes back to the page it is on."""
    facts = {name: context.get(name) for name in ("error", "is_saved", "next")}
    here = context["request"].get_full_path()
    return {"profile": profile, "choices": Availability.choices, **facts, "next": facts["next"] or here}
