"""Row versions for cards and pages. They are part of the keys of cached fragments, and of ETags."""

from django.db.models import F, Func, JSONField

from core.db.row_versions import RowVersion

#: The organizations that a profile's user shows: a list with the name and the URL part of each. A function of the
#: database, because psycopg parses statements over 4,096 characters on every execution.
SHOWN_ORGANIZATIONS = Func(F("user__clerk_id"), function="accounts_shown_organizations", output_field=JSONField())
#: A card shows the profile and its user.
CARD_VERSION = RowVersion("id", "user__is_active")
#: A page also shows the projects with their images, the badges, and organizations.
PAGE_VERSION = RowVersion(
    "id",
    "user__is_active",
    related=[(f"profiles_{name}", "builder_id") for name in ("project", "projectimage", "badge")],
    also=["accounts_shown_organizations({1}.clerk_id)"],
)
