"""A page's completeness, which only its owner can see."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config.environment import BASE_DIR
from profiles.models import BuilderProfile, Project
from profiles.pages.completeness import STEPS, completeness_of
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

MARKERS = ('id="owner-bar"', "% complete", 'class="ring"', "Unpublish")
FULL: dict[str, Any] = {
    "headline": "Maps that work offline",
    "bio": "I build maps.",
    "skills": ["Maps", "Sync", "Python"],
    "domains": ["web"],
    "availability_confirmed_at": SINCE,
    "hourly_rate": 90,
    "location": "Kraków",
    "time_zone": "Europe/Warsaw",
    "languages": ["pl:native"],
    "links": ["https://example.com/"],
    "user__image_url": "https://img.clerk.com/olive",
}


def page(browser: Client, profile: BuilderProfile, query: str = "") -> str:
    text: str = browser.get(f"/builders/{profile.slug}/{query}").content.decode()
    return text


def complete_profile() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(**FULL)
    Project.objects.create(builder=profile, title="Ferry times")
    return profile


def test_gains_add_up_to_100() -> None:
    assert sum(step.gain for step in STEPS) == 100


def test_docs_list_the_gain_of_each_step() -> None:
    documented = re.findall(r"^\| ([^|]+) \| (\d+) \|", (BASE_DIR / "docs" / "profiles.md").read_text(), re.MULTILINE)
    assert [(title.strip(), int(gain)) for title, gain in documented] == [
        (str(step.title), step.gain) for step in STEPS
    ]


def test_empty_page_has_0_and_complete_page_100_percent() -> None:
    assert completeness_of(BuilderProfileFactory.create(headline="")).percent == 0
    done = completeness_of(complete_profile())
    assert (done.percent, done.missing) == (100, [])


@pytest.mark.parametrize(
    ("override", "reduction"),
    (
        ({"headline": ""}, 20),
        ({"user__image_url": ""}, 15),
        ({"bio": ""}, 10),
        ({"skills": ["Maps", "Sync"]}, 10),
        ({"domains": []}, 5),
        ({"availability_confirmed_at": None}, 5),
        ({"hourly_rate": None}, 5),
        ({"time_zone": ""}, 5),
        ({"links": []}, 5),
    ),
)
def test_missing_step_reduces_the_percentage_by_its_gain(override: dict[str, Any], reduction: int) -> None:
    profile = BuilderProfileFactory.create(**FULL | override)
    Project.objects.create(builder=profile, title="Ferry times")
    found = completeness_of(profile)
    assert found.percent == 100 - reduction
    [(step, _)] = found.missing
    assert step.gain == reduction


def test_missing_steps_are_sorted_by_gain_and_have_urls() -> None:
    profile = BuilderProfileFactory.create(**FULL | {"bio": "", "links": []})
    missing = completeness_of(profile).missing
    assert [step.gain for step, _ in missing] == [15, 10, 5]
    assert missing[1][1] == f"/builders/{profile.slug}/edit/about/"
    assert missing[2][1] == f"/builders/{profile.slug}/edit/links/"


def test_owner_sees_percentage_and_next_step() -> None:
    profile = BuilderProfileFactory.create(**FULL)
    text = page(signed_in(profile.user), profile)
    assert 'aria-label="85% complete"' in text
    assert 'stroke-dasharray="85 100"' in text
    assert "Add a project" in text
    assert "+15%" in text
    assert "Your page is complete." in page(signed_in((done := complete_profile()).user), done)


def test_ring_has_no_inline_style() -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    assert "style=" not in page(signed_in(profile.user), profile)


@pytest.mark.parametrize("role", ("anonymous", "visitor", "other builder", "admin"))
def test_others_do_not_see_the_bar(role: str) -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    browsers = {
        "anonymous": Client(),
        "visitor": signed_in(UserFactory.create()),
        "other builder": signed_in(BuilderProfileFactory.create().user),
        "admin": signed_in(UserFactory.create(admin=True)),
    }
    text = page(browsers[role], profile)
    assert [marker for marker in MARKERS if marker in text] == []


def test_bar_shows_visibility_and_the_reason_for_hiding() -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    browser = signed_in(profile.user)
    assert "Your page is public" in page(browser, profile)
    BuilderProfile.objects.update(hidden_at=timezone.now(), hidden_reason="The links lead to <b>malware</b>.")
    text = page(browser, profile)
    assert "our team has hidden it" in text
    assert "The links lead to &lt;b&gt;malware&lt;/b&gt;." in text


def test_completeness_uses_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    with django_assert_num_queries(1):
        completeness_of(profile)
