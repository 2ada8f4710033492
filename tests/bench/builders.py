"""Create a million builders: ten thousand with a natural word frequency, and a hundred copies of each."""

import itertools
import random
import sys
from datetime import timedelta
from decimal import Decimal

BUILDERS, COPIES = 10_000, 100
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
SKILLS = ("React", "Node.js", "Python", "Swift", "Kotlin", "Django", "Postgres", "Figma", "Flutter", "Rust", "C#", "Go")

#: Columns that differ between a copy and its original. Ids start at 1, and a profile has the same id as its user.
_NUMBER = f"one.id + copy * {BUILDERS}"
CHANGED = {
    "accounts_user": {"id": _NUMBER, "clerk_id": "one.clerk_id || '-' || copy"},
    "profiles_builderprofile": {
        "id": _NUMBER,
        "user_id": _NUMBER,
        "slug": "one.slug || '-' || copy",
        "score": "another.score",
    },
}


def seed(builders: int = BUILDERS) -> None:
    """Create thousands of builders, indexed as in the product."""
    from django.utils import timezone

    from accounts.models import User
    from profiles.directory import indexing
    from profiles.models import BuilderProfile, Currency, Domain

    chance = random.Random(5)
    words = vocabulary(chance, 20_000)
    skills = [*SKILLS, *(word.title() for word in words[500:800])]
    now = timezone.now()
    for first in range(0, builders, 1000):
        users = [
            User(
                clerk_id=f"user_bench{number}",
                clerk_version="1",
                password="!",
                name=f"{chance.choice(words[1000:3000]).title()} {chance.choice(words[3000:9000]).title()}",
                roles=["BUILDER"],
                is_active=chance.random() > 0.01,
                image_url="https://img.clerk.com/x" if chance.random() < 0.7 else "",
            )
            for number in range(first, first + 1000)
        ]
        profiles = [
            BuilderProfile(
                user=user,
                slug=f"builder-{first + number}",
                headline=" ".join(zipf(chance, words, 7)) if chance.random() < 0.8 else "",
                bio=" ".join(zipf(chance, words, chance.choice((0, 30, 80, 200)))),
                domains=sorted(set(zipf(chance, Domain.values, chance.randint(0, 3)))),
                skills=list(dict.fromkeys(zipf(chance, skills, chance.randint(0, 9)))),
                validation_tier=chance.choices((1, 2, 3), (80, 15, 5))[0],
                hourly_rate=Decimal(chance.randint(20, 250)) if chance.random() < 0.6 else None,
                currency=chance.choice((Currency.USD, Currency.EUR, Currency.PLN)),
                availability=chance.choices(("available", "limited", "unavailable"), (60, 25, 15))[0],
                availability_confirmed_at=now - timedelta(days=chance.expovariate(1 / 60))
                if chance.random() < 0.5
                else None,
                featured_at=now if chance.random() < 0.002 else None,
                searchable=chance.random() > 0.05,
            )
            for number, user in enumerate(users)
        ]
        for profile in profiles:
            indexing.index(profile)
        User.objects.bulk_create(users)
        BuilderProfile.objects.bulk_create(profiles)


def add_portfolios() -> None:
    """Complete every builder's page with projects, a badge, links and a location."""
    from django.db.models import Case, F, Value, When

    from accounts.models import User
    from profiles.models import Badge, BuilderProfile, Project

    chance = random.Random(6)
    words = vocabulary(chance, 2000)
    admin = User.objects.create(clerk_id="user_benchadmin", clerk_version="1", password="!", roles=["ADMIN"])
    builders = list(BuilderProfile.objects.all())
    # Pages of the others show a time, so their ETags change every minute.
    BuilderProfile.objects.annotate(half=F("id") % 2).filter(half=0).update(
        availability_confirmed_at=None, time_zone=""
    )
    BuilderProfile.objects.update(
        tagline="One line in their own words",
        location="Kraków",
        time_zone=Case(When(availability_confirmed_at=None, then=Value("")), default=Value("Europe/Warsaw")),
        expertise=["Payments", "Offline apps"],
        links=["https://github.com/example", "https://example.com/work"],
        completed_projects=12,
    )
    Project.objects.bulk_create(
        Project(
            builder=builder,
            position=position,
            title=" ".join(zipf(chance, words, 3)),
            description=" ".join(zipf(chance, words, 50)),
            url="https://example.com/project",
            technologies=["Django", "PostgreSQL", "htmx"],
        )
        for builder in builders
        for position in range(4)
    )
    Badge.objects.bulk_create(
        Badge(builder=builder, kind=Badge.Kind.CODE, evidence="Two repositories read by our team", awarded_by=admin)
        for builder in builders
    )


def multiply() -> None:
    """Copy ten thousand builders until there are a million.

    A copy has another builder's score, so that similar profiles are not adjacent. Indexes are created afterwards, which
    takes a third of the time.
    """
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for table, changed in CHANGED.items():
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexdef NOT LIKE '%%UNIQUE%%'",
                [table],
            )
            indexes = cursor.fetchall()
            cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
            values = {name: changed.get(name, f'one."{name}"') for (name,) in cursor.fetchall()}
            for name, _ in indexes:
                cursor.execute(f'DROP INDEX "{name}"')
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} "
                f"FROM {table} AS one CROSS JOIN generate_series(1, {COPIES - 1}) AS copy "
                f"JOIN {table} AS another ON another.id = 1 + (one.id * 7919 + copy * 131) % {BUILDERS}"
            )
            for _, definition in indexes:
                cursor.execute(definition)
            cursor.execute(f"VACUUM ANALYZE {table}")


def zipf[T](chance: random.Random, words: list[T], count: int) -> list[T]:
    """Return `count` random `words` with a Zipf distribution: the first words are the most frequent."""
    return chance.choices(words, cum_weights=_weights(len(words)), k=count)


_cached_weights: dict[int, list[float]] = {}


def _weights(count: int) -> list[float]:
    if count not in _cached_weights:
        _cached_weights[count] = list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))
    return _cached_weights[count]


def vocabulary(chance: random.Random, count: int) -> list[str]:
    """Return distinct generated words."""
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(chance.choices(SYLLABLES, k=chance.choice((2, 3, 3, 4))))] = None
    return list(words)


def main() -> None:
    import django

    django.setup()
    from django.db import connection

    from config.database import close_pools
    from profiles.directory import vocabulary

    if sys.argv[1:] == ["multiply"]:
        multiply()
    else:
        seed(int(sys.argv[2]) if sys.argv[2:] else BUILDERS)
        if sys.argv[1] == "portfolios":
            add_portfolios()
        vocabulary.rebuild()
        connection.cursor().execute("VACUUM ANALYZE")
    close_pools()


if __name__ == "__main__":
    main()
