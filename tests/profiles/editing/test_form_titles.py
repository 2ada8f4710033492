"""The title of a section's form is not repeated by the label of a field."""

import re

import pytest

from profiles.editing.sections import BUILDER_SECTIONS
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("key", BUILDER_SECTIONS)
def test_no_visible_label_repeats_the_title(key: str) -> None:
    profile = BuilderProfileFactory.create()
    text = signed_in(profile.user).get(f"{profile.get_absolute_url()}edit/{key}/").text
    title = str(BUILDER_SECTIONS[key].title)
    assert f">{title}</h1>" in text
    assert title not in re.findall(r"<label for=[^>]*>([^<]*)</label>", text)


def test_hidden_label_still_names_the_field() -> None:
    profile = BuilderProfileFactory.create()
    text = signed_in(profile.user).get(f"{profile.get_absolute_url()}edit/links/").text
    assert '<label class="visually-hidden" for="id_links">Links</label>' in text
