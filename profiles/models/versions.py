"""Row versions for cards and pages. They are part of the keys of cached fragments, and of ETags."""

from core.db.row_versions import RowVersion

#: A card shows the profile and its user.
CARD_VERSION = RowVersion("id", "user__is_active")
#: A page also shows the projects with their images, and the badges.
PAGE_VERSION = RowVersion(
    "id",
    "user__is_active",
    related=[(f"profiles_{name}", "builder_id") for name in ("project", "projectimage", "badge")],
)
