"""Export and erasure of the personal data in profiles. See core.personal_data."""

from typing import Any

from accounts.models import User
from core.personal_data import PersonalData, export_rows
from profiles.directory import indexing
from profiles.media import images
from profiles.models import Badge, BuilderProfile, ClientProfile, ContactMessage, FormerSlug, Project

#: Values of erased builder profiles.
_ERASED_BUILDER: dict[str, Any] = {
    **dict.fromkeys(("display_name", "headline", "tagline", "bio", "location", "time_zone"), ""),
    **{name: [] for name in ("domains", "skills", "expertise", "links")},
    "hourly_rate": None,
    "response_rate": None,
    "completed_projects": 0,
    "adhd_friendly": False,
    "validation_tier": BuilderProfile.Tier.ENTRY,
    "validation_evidence": "",
    "hidden_reason": "",
    # The slug and the search columns contain the name.
    "slug": None,
    "search": None,
    "name_key": "",
    "rate_usd": None,
}
_ERASED_CLIENT = dict.fromkeys(("company_name", "industry", "project_preferences", "hidden_reason"), "")


def export(user: User) -> PersonalData:
    """Return both profiles with all related rows and images, including archived and hidden profiles."""
    by_user = {"builder__user": user}
    return PersonalData(
        {
            "builder_profile": export_rows(
                BuilderProfile.objects.filter(user=user), exclude=frozenset(indexing.COLUMNS)
            ),
            "portfolio": export_rows(Project.objects.filter(**by_user)),
            # The admin who awarded a badge is not the user's data.
            "badges": export_rows(Badge.objects.filter(**by_user), exclude={"awarded_by_id"}),
            "former_slugs": export_rows(FormerSlug.objects.filter(**by_user)),
            "client_profile": export_rows(ClientProfile.objects.filter(user=user)),
            # The sender is another user.
            "messages_received": export_rows(ContactMessage.objects.filter(**by_user), exclude={"sender_id"}),
            "messages_sent": export_rows(ContactMessage.objects.filter(sender=user)),
        },
        dict(images.images_of(user)),
    )


def erase(user: User) -> None:
    """Empty the profiles, and delete their related rows and images.

    Sent messages are emptied but their rows stay. The recipients have already received them by email.
    """
    for profile in BuilderProfile.objects.filter(user=user):
        images.remove_all(profile)
    for model in (Project, Badge, FormerSlug, ContactMessage):
        model._default_manager.filter(builder__user=user).delete()
    ContactMessage.objects.filter(sender=user).update(subject="", body="")
    BuilderProfile.objects.filter(user=user).update(**_ERASED_BUILDER)
    ClientProfile.objects.filter(user=user).update(**_ERASED_CLIENT)
