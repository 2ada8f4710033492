"""What the directory knows of a builder: the words one is found by, a score that orders, and a rate that compares.

All of it is worked out here from the profile and its user, and stored in columns of the profile. Whoever writes a
profile calls `index` first and writes the columns that it names, too; `profiles.lifecycle` does so for every change.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from django.db import transaction
from django.utils import timezone

from profiles.directory import terms
from profiles.directory.exchange_rates import to_usd
from profiles.models import Availability, BuilderProfile, Domain

#: The columns that `index` sets.
COLUMNS = ("search", "name_key", "score", "rate_usd", "index_due_at")
#: Profiles locked at a time while many are indexed.
BATCH = 200
LONGEST_NAME = 120
#: Rates in dollars at which a new range begins; the first one begins at nothing.
RATE_STEPS = (40, 80, 120, 200)

# --- The score: whole numbers that add up, so that every place in the directory can be explained ---

FEATURED_SCORE = 10_000
TIER_SCORES: dict[int, int] = {
    BuilderProfile.Tier.ENTRY: 0,
    BuilderProfile.Tier.ESTABLISHED: 150,
    BuilderProfile.Tier.EXPERT: 300,
}
#: What makes a page worth a visit; 400 in all.
COMPLETENESS_SCORES = {"headline": 80, "picture": 80, "bio": 80, "skills": 80, "domains": 40, "hourly_rate": 40}
AVAILABILITY_SCORES: dict[str, int] = {
    Availability.AVAILABLE: 100,
    Availability.LIMITED: 50,
    Availability.UNAVAILABLE: 0,
}
#: For saying so lately, which says that somebody is there: days since, and what they are worth.
CONFIRMATION_SCORES = {timedelta(days=7): 100, timedelta(days=30): 60, timedelta(days=90): 20}


def index(profile: BuilderProfile) -> tuple[str, ...]:
    """Work out what the directory knows of `profile`, and return the names of the columns to write."""
    now = timezone.now()
    profile.search, profile.name_key = vector(profile), name_key(profile.name)
    profile.score, profile.index_due_at = score(profile, now)
    profile.rate_usd = to_usd(profile.hourly_rate, profile.currency) if profile.hourly_rate else None
    return COLUMNS


@transaction.atomic
def index_profiles(ids: Sequence[int]) -> int:
    """Index these profiles again, and return how many; what is being written at the moment is indexed by its writer."""
    locked = BuilderProfile.objects.select_for_update(of=["self"], no_key=True, skip_locked=True)
    found = list(locked.select_related("user").filter(pk__in=ids))
    for profile in found:
        index(profile)
    BuilderProfile.objects.bulk_update(found, COLUMNS)
    return len(found)


def index_due(most: int) -> int:
    """Index profiles whose score time has changed, or that old code wrote, and return how many there were."""
    done = 0
    while done < most:
        due = BuilderProfile.objects.filter(index_due_at__lte=timezone.now()).order_by("index_due_at")
        indexed = index_profiles(list(due.values_list("pk", flat=True)[:BATCH]))
        done += indexed
        if indexed < BATCH:  # the rest, if there is one, waits for the next run
            break
    return done


def batches(after: int) -> Iterator[list[int]]:
    """Yield the ids of all profiles above `after`, a batch at a time, without holding a transaction open."""
    while ids := list(BuilderProfile.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield ids
        after = ids[-1]


def score(profile: BuilderProfile, now: datetime) -> tuple[int, datetime | None]:
    """Return the place of `profile` in the directory, higher is earlier, and when time will have changed it."""
    complete = {
        **{fact: getattr(profile, fact) for fact in COMPLETENESS_SCORES if fact != "picture"},
        "picture": profile.image_url,
    }
    confirmed, due = _confirmed(profile.availability_confirmed_at, now)
    parts = (
        FEATURED_SCORE if profile.featured_at else 0,
        TIER_SCORES[profile.validation_tier],
        sum(worth for fact, worth in COMPLETENESS_SCORES.items() if complete[fact]),
        AVAILABILITY_SCORES[profile.effective_availability],
        confirmed,
    )
    return sum(parts), due


def _confirmed(at: datetime | None, now: datetime) -> tuple[int, datetime | None]:
    for age, worth in CONFIRMATION_SCORES.items():
        if at and now < at + age:
            return worth, at + age
    return 0, None


# --- The words ---


def vector(profile: BuilderProfile) -> str:
    """Return the words of `profile` as PostgreSQL's own notation of a tsvector, weighted by where they stand."""
    weights: dict[str, str] = {}
    for weight, texts in _texts(profile):
        for word in chain.from_iterable(map(terms.index_words, texts)):
            weights.setdefault(word, weight)
    found = [f"{quoted(word)}:1{weight}" for word, weight in weights.items()]
    return " ".join([*found, *map(quoted, _marks(profile))])


def name_key(name: str) -> str:
    """Return what two spellings of one name have in common: "Ana O’Neil" and "ana oneil" are the same, 高橋 美咲 and 高橋美咲."""
    return terms.term_key(name).replace(" ", "")[:LONGEST_NAME]


def _texts(profile: BuilderProfile) -> Iterator[tuple[str, Sequence[str]]]:
    # Japanese names are stored with a space and typed without.
    yield "A", (profile.name, "".join(profile.name.split()))
    yield "B", (profile.headline, profile.tagline, *profile.skills)
    yield "C", (*(str(Domain(value).label) for value in profile.domains), *profile.expertise)
    yield "D", (profile.bio, profile.location)


def _marks(profile: BuilderProfile) -> Iterator[str]:
    """Yield what filters look for. They begin with a stroke, which no word does."""
    yield from (mark("domain", domain) for domain in profile.domains)
    yield from {mark("skill", skill) for skill in profile.skills if terms.term_key(skill)}
    yield mark("tier", str(profile.validation_tier))
    yield mark("availability", profile.effective_availability)
    if profile.hourly_rate:
        yield mark("rate", rate_range(to_usd(profile.hourly_rate, profile.currency)))


def mark(facet: str, value: str) -> str:
    """Return the word under which a profile with this value of a facet is found."""
    return f"/{facet}/{terms.term_key(value) if facet == 'skill' else value}"


def rate_range(dollars: int) -> str:
    """Return which range of `RATE_STEPS` a rate is in: "0" for the lowest."""
    return str(bisect(RATE_STEPS, dollars))


def quoted(word: str) -> str:
    """Return `word` so that the notations of tsvector and tsquery take all of it for a word."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
