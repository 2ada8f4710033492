"""Builder cards for the home page, the directory and shortlists."""

from collections.abc import Sequence
from typing import Any, cast

from django.db.models import QuerySet

from accounts.models import User
from core.db.compiled import compile_query, key_in
from core.db.loading import load
from profiles.models import BuilderProfile
from profiles.models.versions import CARD_VERSION

#: Columns that cards and sorting need.
_PROFILE_COLUMNS = (
    *("id", "slug", "display_name", "headline", "image", "skills", "location", "languages", "page_language"),
    *("validation_tier", "hourly_rate", "currency", "available_for_hire", "availability", "availability_confirmed_at"),
    *("score", "rate_usd", "user_id"),
)
_USER_COLUMNS = ("id", "name", "username", "image_url")

_find_listed = compile_query(
    lambda ids: (
        BuilderProfile.objects.listed()
        .filter(key_in(ids))
        .annotate(card_version=CARD_VERSION)
        .values_list("card_version", *_PROFILE_COLUMNS, *(f"user__{name}" for name in _USER_COLUMNS))
    ),
    [0],
)


def with_cards(builders: "QuerySet[BuilderProfile]") -> "QuerySet[BuilderProfile]":
    """Load only the columns that cards need, and add the card cache version."""
    columns = (*_PROFILE_COLUMNS, *(f"user__{name}" for name in _USER_COLUMNS))
    return builders.only(*columns).annotate(card_version=CARD_VERSION)


def find_listed(ids: Sequence[int]) -> dict[int, BuilderProfile]:
    """Return the listed builders with these IDs, with the columns and the version that cards need."""
    builders = {}
    for version, *values in _find_listed(list(ids)):
        builder = load(BuilderProfile, values[: len(_PROFILE_COLUMNS)], _PROFILE_COLUMNS)
        builder.user = load(User, values[len(_PROFILE_COLUMNS) :], _USER_COLUMNS)
        cast("Any", builder).card_version = version  # an annotation
        builders[builder.pk] = builder
    return builders
