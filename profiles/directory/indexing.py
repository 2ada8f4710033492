"""Compute a builder profile's search columns: search words, score and rate in US dollars.

The columns depend on the profile and its user. Code that saves a profile must call `index` first and also save the
columns that `index` returns. `profiles.lifecycle` does this for every change.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain

from django.db import connection, transaction
from django.utils import timezone

from core.interface_languages import english
from profiles.directory import countries, terms
from profiles.directory.exchange_rates import to_usd
from profiles.directory.tsqueries import quoted
from profiles.localization import languages, time_zones
from profiles.models import Availability, BuilderProfile, Domain

#: Columns set by `index`.
COLUMNS = ("search", "name_key", "score", "rate_usd", "index_due_at")
#: Number of profiles locked at a time.
BATCH_SIZE = 200
#: Facets with free-text values, and the maximum length of a value.
FREE_TEXT, MAX_FREE_TEXT = ("skill", "place"), 40
MAX_NAME_LENGTH = 120
_NORMALIZE = "SELECT text::tsvector::text FROM unnest(%s::text[]) WITH ORDINALITY AS given(text, n) ORDER BY n"
#: Lower bounds of the rate ranges in US dollars, except for the first range, which starts at 0.
RATE_STEPS = (40, 80, 120, 200)

# --- Score: a sum of integers, so that every position in the directory can be explained ---

FEATURED_SCORE = 10_000
TIER_SCORES: dict[int, int] = {
    BuilderProfile.Tier.ENTRY: 0,
    BuilderProfile.Tier.ESTABLISHED: 150,
    BuilderProfile.Tier.EXPERT: 300,
}
#: Points for each completed field. They add up to 400.
COMPLETENESS_SCORES = {"headline": 80, "portrait": 80, "bio": 80, "skills": 80, "domains": 40, "hourly_rate": 40}
AVAILABILITY_SCORES: dict[str, int] = {
    Availability.AVAILABLE: 100,
    Availability.LIMITED: 50,
    Availability.NOT_STATED: 25,
    Availability.UNAVAILABLE: 0,
}
#: Points by the time since the availability was confirmed. A recent confirmation shows that the builder is active.
CONFIRMATION_SCORES = {timedelta(days=7): 100, timedelta(days=30): 60, timedelta(days=90): 20}


def index(profile: BuilderProfile) -> tuple[str, ...]:
    """Set the profile's search columns without saving, and return their names."""
    now = timezone.now()
    profile.search, profile.name_key = vector(profile), name_key(profile.name)
    profile.score, profile.index_due_at = score(profile, now)
    profile.rate_usd = to_usd(profile.hourly_rate, profile.currency) if profile.hourly_rate else None
    return COLUMNS


@transaction.atomic
def index_profiles(ids: Sequence[int]) -> int:
    """Index and save these profiles, and return how many were indexed.

    Locked profiles are skipped, because the transaction that holds the lock will index them.
    """
    locked = BuilderProfile.objects.select_for_update(of=["self"], no_key=True, skip_locked=True)
    profiles = list(locked.select_related("user").filter(pk__in=ids))
    for profile in profiles:
        index(profile)
    BuilderProfile.objects.bulk_update(profiles, COLUMNS)
    return len(profiles)


@transaction.atomic
def repair_index(ids: Sequence[int]) -> int:
    """Index these profiles, save the ones with outdated columns, and return how many were saved."""
    locked = BuilderProfile._base_manager.select_for_update(of=["self"], no_key=True, skip_locked=True)
    profiles = list(locked.select_related("user").filter(pk__in=ids))
    stored = {profile.pk: _values(profile) for profile in profiles}
    for profile in profiles:
        index(profile)
    for profile, search in zip(profiles, _normalize(str(p.search) for p in profiles), strict=True):
        profile.search = search
    outdated = [profile for profile in profiles if _values(profile) != stored[profile.pk]]
    BuilderProfile.objects.bulk_update(outdated, COLUMNS)
    return len(outdated)


def repair_all() -> int:
    """Repair the search columns of all profiles, and return how many were outdated."""
    return sum(map(repair_index, batches(after=0)))


def _values(profile: BuilderProfile) -> list[object]:
    return [getattr(profile, column) for column in COLUMNS]


def _normalize(vectors: Iterable[str]) -> list[str]:
    """Return tsvector literals in PostgreSQL's output format, so that they can be compared with stored vectors."""
    with connection.cursor() as cursor:
        cursor.execute(_NORMALIZE, [list(vectors)])
        return [row[0] for row in cursor.fetchall()]


def index_due(max_profiles: int) -> int:
    """Index profiles whose `index_due_at` has passed, and return how many were indexed.

    Rows inserted by an older version of the code are due immediately because of the column default.
    """
    done = 0
    while done < max_profiles:
        due = BuilderProfile.objects.filter(index_due_at__lte=timezone.now()).order_by("index_due_at")
        indexed = index_profiles(list(due.values_list("pk", flat=True)[:BATCH_SIZE]))
        done += indexed
        # No rows are left, or the remaining rows are locked and will be indexed in the next run.
        if indexed < BATCH_SIZE:
            break
    return done


def batches(after: int) -> Iterator[list[int]]:
    """Yield batches of profile ids greater than `after`, without holding a transaction open."""
    while ids := list(
        BuilderProfile.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE]
    ):
        yield ids
        after = ids[-1]


def score(profile: BuilderProfile, now: datetime) -> tuple[int, datetime | None]:
    """Return the profile's score and the time of its next change."""
    values = {
        **{name: getattr(profile, name) for name in COMPLETENESS_SCORES if name != "portrait"},
        "portrait": profile.image_url,
    }
    confirmation, due_at = _confirmation_score(profile.availability_confirmed_at, now)
    parts = (
        FEATURED_SCORE if profile.featured_at else 0,
        TIER_SCORES[profile.validation_tier],
        sum(points for name, points in COMPLETENESS_SCORES.items() if values[name]),
        AVAILABILITY_SCORES[profile.effective_availability],
        confirmation,
    )
    return sum(parts), due_at


def _confirmation_score(at: datetime | None, now: datetime) -> tuple[int, datetime | None]:
    for age, points in CONFIRMATION_SCORES.items():
        if at and now < at + age:
            return points, at + age
    return 0, None


# --- Search words ---


def vector(profile: BuilderProfile) -> str:
    """Return the profile's search words and filter terms as a tsvector literal. Each word is weighted by its field."""
    weights: dict[str, str] = {}
    with english():
        for weight, texts in _texts(profile):
            for word in chain.from_iterable(map(terms.index_words, texts)):
                weights.setdefault(word, weight)
    words = [f"{quoted(word)}:1{weight}" for word, weight in weights.items()]
    return " ".join([*words, *map(quoted, _filter_terms(profile))])


def name_key(name: str) -> str:
    """Normalize `name`: remove case, accents, punctuation and spaces.

    "Ana O’Neil" and "ana oneil" have the same key.
    """
    return terms.term_key(name).replace(" ", "")[:MAX_NAME_LENGTH]


def _texts(profile: BuilderProfile) -> Iterator[tuple[str, Sequence[str]]]:
    # Japanese names are stored with a space but searched without one.
    yield "A", (profile.name, "".join(profile.name.split()))
    yield "B", (profile.headline, profile.tagline, *profile.skills)
    yield "C", (*(str(Domain(value).label) for value in profile.domains), *profile.expertise)
    spoken = [
        language for entry in profile.languages for language in languages.LANGUAGES.get(languages.split(entry)[0], ())
    ]
    # "Brazil" also finds a builder who wrote "Brasil".
    yield "D", (profile.bio, profile.location, place_of(profile.location), *spoken)


def _filter_terms(profile: BuilderProfile) -> Iterator[str]:
    """Yield the terms that filters search for. They start with a slash, so they never match a search word."""
    yield from (filter_term("domain", domain) for domain in profile.domains)
    yield from {filter_term("skill", skill) for skill in profile.skills if terms.term_key(skill)}
    yield from {filter_term("language", languages.split(entry)[0]) for entry in profile.languages}
    if place := place_of(profile.location):
        yield filter_term("place", place)
    if group := time_zones.group_of(profile.time_zone):
        yield filter_term("near", group)
    yield filter_term("tier", str(profile.validation_tier))
    yield filter_term("availability", profile.effective_availability)
    if profile.hourly_rate:
        yield filter_term("rate", rate_range(to_usd(profile.hourly_rate, profile.currency)))


def filter_term(facet: str, value: str) -> str:
    key = terms.term_key(value) if facet in FREE_TEXT else value
    # Codes are uppercase, so they differ from other places.
    return f"/{facet}/{(facet == 'place' and countries.code_of(value)) or key}"


@lru_cache(4096)
def place_of(location: str) -> str:
    """Return the last part of a location, with the English name of a country: "Poland" for "Gdańsk, Polska".

    Return "" if that part contains no letters or is too long for a filter.
    """
    place = re.split("[,،、]", location)[-1].strip()
    if code := countries.code_of(place):
        return countries.english_name(code)
    return place if terms.term_key(place) and len(place) <= MAX_FREE_TEXT else ""


def rate_range(dollars: int) -> str:
    """Return the index of the `RATE_STEPS` range that contains `dollars`. The lowest range is "0"."""
    return str(bisect(RATE_STEPS, dollars))
