"""What profiles hold about a person; see core.personal_data."""

from typing import Any

from accounts.models import User
from core.personal_data import PersonalData, export_rows
from profiles.directory import indexing
from profiles.media import images
from profiles.models import Badge, BuilderProfile, ClientProfile, ContactMessage, FormerSlug, Project

#: What the person wrote or others wrote about them, as it is on a page that nobody has written on.
_BUILDER_EMPTIED: dict[str, Any] = {
    **dict.fromkeys(("display_name", "headline", "tagline", "bio", "location", "time_zone"), ""),
    **{name: [] for name in ("domains", "skills", "expertise", "links")},
    "hourly_rate": None,
    "response_rate": None,
    "completed_projects": 0,
    "adhd_friendly": False,
    "validation_tier": BuilderProfile.Tier.ENTRY,
    "validation_evidence": "",
    "hidden_reason": "",
    # The address goes too, because it is made of the name, and so do the words that the directory finds.
    "slug": None,
    "search": None,
    "name_key": "",
    "rate_usd": None,
}
_CLIENT_EMPTIED = dict.fromkeys(("company_name", "industry", "project_preferences", "hidden_reason"), "")


def export(user: User) -> PersonalData:
    """Return both profiles, those that are archived or hidden too, with all that hangs on them."""
    of_builder = {"builder__user": user}
    return PersonalData(
        {
            "builder_profile": export_rows(
                BuilderProfile.objects.filter(user=user), exclude=frozenset(indexing.COLUMNS)
            ),
            "portfolio": export_rows(Project.objects.filter(**of_builder)),
            # Who of the team awarded it is the team's business.
            "badges": export_rows(Badge.objects.filter(**of_builder), exclude={"awarded_by_id"}),
            "former_addresses": export_rows(FormerSlug.objects.filter(**of_builder)),
            "client_profile": export_rows(ClientProfile.objects.filter(user=user)),
            # The other person of a message is told by the message itself, or not at all.
            "messages_received": export_rows(ContactMessage.objects.filter(**of_builder), exclude={"sender_id"}),
            "messages_sent": export_rows(ContactMessage.objects.filter(sender=user)),
        },
        dict(images.images_of(user)),
    )


def erase(user: User) -> None:
    """Empty what was written on the profiles, and delete what hangs on them, pictures included.

    What the person wrote to others is emptied, and the row stays: the other's copy was mailed to them.
    """
    for profile in BuilderProfile.objects.filter(user=user):
        images.remove_all(profile)
    for model in (Project, Badge, FormerSlug, ContactMessage):
        model._default_manager.filter(builder__user=user).delete()
    ContactMessage.objects.filter(sender=user).update(subject="", body="")
    BuilderProfile.objects.filter(user=user).update(**_BUILDER_EMPTIED)
    ClientProfile.objects.filter(user=user).update(**_CLIENT_EMPTIED)
