"""Compute a builder page's completeness and the next steps for its owner. docs/profiles.md explains the weights."""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.models import BuilderProfile

#: Minimum number of skills for a complete step.
MIN_SKILLS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A step towards a complete page.

    Attributes:
        gain: percentage points that the step adds.
        title: an instruction for the owner.
        benefit: why the step is useful.
        is_done: returns whether the profile has completed the step. The portfolio step runs a query.
        target: a section key or a URL name.
    """

    gain: int
    title: str | Promise
    benefit: str | Promise
    is_done: Callable[[BuilderProfile], bool]
    target: str

    def url(self, profile: BuilderProfile) -> str:
        if ":" in self.target:
            return reverse(self.target, args=[profile.slug])
        return reverse("profiles:section_update", args=[profile.slug, self.target])


#: In page order. The gains add up to 100.
STEPS = (
    Step(
        20,
        _("Add a headline"),
        _("It is shown next to your name in the directory."),
        lambda profile: bool(profile.headline),
        "introduction",
    ),
    Step(
        15,
        _("Add a portrait"),
        _("Profiles with a portrait get more messages."),
        lambda profile: bool(profile.image_url),
        "profiles:portrait",
    ),
    Step(
        15,
        _("Add a project"),
        _("Clients look at your work first."),
        lambda profile: profile.projects.exists(),
        "profiles:project_new",
    ),
    Step(
        10,
        _("Write a bio"),
        _("Clients want to know how you work."),
        lambda profile: bool(profile.bio),
        "about",
    ),
    Step(
        5,
        _("Add the languages you speak"),
        _("Clients filter by language."),
        lambda profile: bool(profile.languages),
        "about",
    ),
    Step(
        10,
        _("Add at least three skills"),
        _("Clients search by skill."),
        lambda profile: len(profile.skills) >= MIN_SKILLS,
        "skills",
    ),
    Step(
        5,
        _("Choose your domains"),
        _("Clients browse the directory by domain."),
        lambda profile: bool(profile.domains),
        "skills",
    ),
    Step(
        5,
        _("Confirm your availability"),
        _("Builders who confirmed recently rank higher."),
        lambda profile: profile.availability_confirmed_at is not None,
        "terms",
    ),
    Step(
        5,
        _("Add an hourly rate"),
        _("Clients filter by rate."),
        lambda profile: profile.hourly_rate is not None,
        "terms",
    ),
    Step(
        5,
        _("Add your location and time zone"),
        _("Clients see when they can reach you."),
        lambda profile: bool(profile.location and profile.time_zone),
        "terms",
    ),
    Step(
        5,
        _("Add links"),
        _("Links help clients verify who you are."),
        lambda profile: bool(profile.links),
        "links",
    ),
)


@dataclass(frozen=True, slots=True)
class Completeness:
    """A page's completeness.

    Attributes:
        percent: from 0 to 100.
        missing: the remaining steps and their URLs, highest gain first.
    """

    percent: int
    missing: list[tuple[Step, str]]


def completeness_of(profile: BuilderProfile) -> Completeness:
    """Compute the completeness of a profile with a slug, using one query."""
    missing = [step for step in STEPS if not step.is_done(profile)]
    missing.sort(key=lambda step: -step.gain)
    percent = 100 - sum(step.gain for step in missing)
    return Completeness(percent, [(step, step.url(profile)) for step in missing])
