"""How much of a builder's page is there, and what to do next. Where the weights come from: docs/profiles.md."""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.models import BuilderProfile

#: From so many on the search finds somebody in more ways than one.
ENOUGH_SKILLS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that makes a page better.

    Attributes:
        gain: what it adds to the hundred.
        words: what to do, for the owner.
        why: what it is good for.
        is_done: looks at the profile; the portfolio's asks the database.
        place: the section that is edited, or the name of another page.
    """

    gain: int
    words: str | Promise
    why: str | Promise
    is_done: Callable[[BuilderProfile], bool]
    place: str

    def url(self, profile: BuilderProfile) -> str:
        """Return where to do it."""
        if ":" in self.place:
            return reverse(self.place, args=[profile.slug])
        return reverse("profiles:section_update", args=[profile.slug, self.place])


#: In the order of the page; together 100.
STEPS = (
    Step(
        20,
        _("Say in one line what you do"),
        _("It stands beside your name wherever you are listed."),
        lambda profile: bool(profile.headline),
        "introduction",
    ),
    Step(
        15,
        _("Add a picture of yourself"),
        _("People write to people they can see."),
        lambda profile: bool(profile.image_url),
        "profiles:portrait",
    ),
    Step(
        20,
        _("Show a project"),
        _("Clients look at work before they read."),
        lambda profile: profile.projects.exists(),
        "profiles:project_new",
    ),
    Step(
        10,
        _("Write about yourself"),
        _("How you work and for whom is what clients decide by."),
        lambda profile: bool(profile.bio),
        "about",
    ),
    Step(
        10,
        _("Name three skills or more"),
        _("Clients search by them."),
        lambda profile: len(profile.skills) >= ENOUGH_SKILLS,
        "skills",
    ),
    Step(
        5,
        _("Choose your domains"),
        _("The directory is browsed by them."),
        lambda profile: bool(profile.domains),
        "skills",
    ),
    Step(
        5,
        _("Confirm your availability"),
        _("What was confirmed lately stands higher."),
        lambda profile: profile.availability_confirmed_at is not None,
        "terms",
    ),
    Step(
        5,
        _("Give an hourly rate"),
        _("Clients with a budget filter by it."),
        lambda profile: profile.hourly_rate is not None,
        "terms",
    ),
    Step(
        5,
        _("Say where you are"),
        _("Your place and local time tell clients when to reach you."),
        lambda profile: bool(profile.location and profile.time_zone),
        "terms",
    ),
    Step(
        5,
        _("Link to where else you are found"),
        _("Links let clients see that you are who you say."),
        lambda profile: bool(profile.links),
        "links",
    ),
)


@dataclass(frozen=True, slots=True)
class Completeness:
    """How complete a page is.

    Attributes:
        percent: from 0 to 100.
        missing: what could be done next, with the address to do it at; what gains most comes first.
    """

    percent: int
    missing: list[tuple[Step, str]]


def completeness_of(profile: BuilderProfile) -> Completeness:
    """Return how complete a page with an address is, and what would make it better; one query."""
    missing = [step for step in STEPS if not step.is_done(profile)]
    missing.sort(key=lambda step: -step.gain)
    percent = 100 - sum(step.gain for step in missing)
    return Completeness(percent, [(step, step.url(profile)) for step in missing])
