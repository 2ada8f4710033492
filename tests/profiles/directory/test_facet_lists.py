"""Filters list only the most common values, and say so."""

import pytest
from django.test import Client

from profiles.directory.facet_counts import MAX_SKILL_CHOICES
from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db
NOTE = "Only the most common are listed. Use the search field to find others."


@pytest.mark.parametrize("extra", (0, 1))
def test_note_is_shown_if_values_are_missing(extra: int) -> None:
    skills = [f"Skill {number}" for number in range(MAX_SKILL_CHOICES + extra)]
    BuilderProfileFactory.create(introduced=True, skills=skills)
    text = Client().get("/builders/").text
    assert text.count(NOTE) == extra
    assert (NOTE in text.partition("<legend>Skill</legend>")[2].partition("</fieldset>")[0]) == bool(extra)
