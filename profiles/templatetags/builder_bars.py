"""What the bars above a builder's page know. Tags, so that only a page that has the bar asks for it."""

from django import template

from profiles.models import BuilderProfile
from profiles.pages.completeness import Completeness, completeness_of
from profiles.pages.visibility import is_draft, visibility_summary

register = template.Library()


@register.simple_tag
def completeness(profile: BuilderProfile) -> Completeness:
    """Return how complete a page is, and what to do next; one query, unless the projects are there already."""
    return completeness_of(profile)


register.filter("visibility_summary", visibility_summary)
register.filter("is_draft", is_draft)
