"""Template tags for the bars above a builder's page. Tags run their queries only if a page renders a bar."""

from collections.abc import Iterable

from django import template

from profiles.models import BuilderProfile
from profiles.pages.completeness import Completeness, completeness_of
from profiles.pages.visibility import is_confirmation_due, is_draft, visibility_state, visibility_summary
from profiles.visibility import HidingReason, hiding_reasons

register = template.Library()


@register.simple_tag
def completeness(profile: BuilderProfile) -> Completeness:
    return completeness_of(profile)


@register.filter
def labels(reasons: Iterable[HidingReason]) -> str:
    return ", ".join(str(reason.label) for reason in reasons)


register.filter("visibility_state", visibility_state)
register.filter("visibility_summary", visibility_summary)
register.filter("is_confirmation_due", is_confirmation_due)
register.filter("is_draft", is_draft)
register.filter("hiding_reasons", hiding_reasons)
