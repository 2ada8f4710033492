"""Builder cards for the home page, the directory and shortlists."""

from django.db.models import QuerySet

from profiles.models import BuilderProfile
from profiles.models.versions import CARD_VERSION

#: Columns that cards and sorting need.
_CARD_COLUMNS = (
    *(
        "slug",
        "display_name",
        "headline",
        "image",
        "skills",
        "location",
        "languages",
        "page_language",
        "validation_tier",
        "hourly_rate",
        "currency",
    ),
    *("available_for_hire", "availability", "availability_confirmed_at", "score", "rate_usd"),
    *("user__name", "user__username", "user__image_url"),
)


def with_cards(builders: "QuerySet[BuilderProfile]") -> "QuerySet[BuilderProfile]":
    """Load only the columns that cards need, and add the card cache version."""
    return builders.only(*_CARD_COLUMNS).annotate(card_version=CARD_VERSION)
