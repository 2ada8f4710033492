"""Export and erase the personal data in profiles. See core.personal_data."""

from django.db.models import F

from accounts.models import User
from core.personal_data import PersonalData, erased_values, export_rows
from profiles import section_history
from profiles.directory import indexing
from profiles.media import images
from profiles.models import (
    Badge,
    BlockedSender,
    BuilderProfile,
    ClientProfile,
    ContactMessage,
    FormerSlug,
    Project,
    ProjectImage,
    Report,
    ReviewFile,
    ReviewRequest,
    SectionVersion,
    ShortlistEntry,
)

#: Columns that contain no personal data. Every other column is erased.
_KEPT = ("id", "user", "archived_at", "hidden_at", "unpublished_at", "deleted_at", "created_at")
_KEPT_BUILDER = (
    *_KEPT,
    *("available_for_hire", "availability", "availability_confirmed_at", "currency"),
    *("validated_at", "featured_at", "searchable", "score", "index_due_at"),
    "image",  # erase() removes it with its file
)
#: Models that this module exports and erases.
COVERED = (
    *(BuilderProfile, ClientProfile, Project, ProjectImage, Badge),
    *(FormerSlug, ContactMessage, Report, BlockedSender, SectionVersion, ShortlistEntry, ReviewRequest, ReviewFile),
)


def export(user: User) -> PersonalData:
    """Return both of the user's profiles with all related rows and images, even if they are archived or hidden."""
    by_user = {"builder__user": user}
    return PersonalData(
        {
            "builder_profile": export_rows(
                BuilderProfile.objects.filter(user=user), exclude=frozenset(indexing.COLUMNS)
            ),
            "portfolio": export_rows(Project.objects.filter(**by_user)),
            "portfolio_images": export_rows(ProjectImage.objects.filter(**by_user)),
            # The admin who awarded a badge is not the user's data.
            "badges": export_rows(Badge.objects.filter(**by_user), exclude={"awarded_by_id"}),
            "former_slugs": export_rows(FormerSlug.objects.filter(**by_user)),
            # The editor may be an admin.
            "section_history": export_rows(
                SectionVersion.objects.filter(owner=user), exclude={"replaced_by_id", "impersonator"}
            ),
            "client_profile": export_rows(ClientProfile.objects.filter(user=user)),
            # The sender is another user.
            "messages_received": export_rows(ContactMessage.objects.filter(**by_user), exclude={"sender_id"}),
            "messages_sent": list(
                ContactMessage.objects.filter(sender=user).values(
                    *("subject", "body", "sent_at", "mailed_at"), recipient=F("builder__slug")
                )
            ),
            # The admin's note and the reported user are not the reporter's data.
            "reports": list(
                Report.objects.filter(reporter=user).order_by("pk").values("reason", "text", "reported_at", "state")
            ),
            # The sender is another user.
            "blocked_senders": list(BlockedSender.objects.filter(**by_user).order_by("pk").values("blocked_at")),
            # The admins who worked on a request are not the builder's data.
            "review_requests": export_rows(
                ReviewRequest.objects.filter(**by_user).order_by("pk"), exclude={"assigned_to_id", "decided_by_id"}
            ),
            "review_files": list(
                ReviewFile.objects.filter(review__builder__user=user).order_by("pk").values("review", "name", "size")
            ),
            "shortlist": list(
                ShortlistEntry.objects.filter(user=user).order_by("pk").values("saved_at", page=F("builder__slug"))
            ),
        },
        dict(images.images_of(user)) | _documents_of(user),
    )


def _documents_of(user: User) -> dict[str, bytes]:
    """Return the content of each file of the user's review requests, by name in the archive."""
    files = ReviewFile.objects.filter(review__builder__user=user)
    return {f"review-{file.review_id}-{file.pk}-{file.name}": bytes(file.content) for file in files}


def erase(user: User) -> None:
    """Empty the profiles and delete their related rows and images.

    Sent messages are emptied but their rows are kept. The recipients have already received them by email.
    """
    for profile in BuilderProfile.objects.filter(user=user):
        images.remove_all(profile)
    section_history.delete(SectionVersion.objects.filter(owner=user))
    ReviewFile.objects.filter(review__builder__user=user).delete()
    for model in (Project, Badge, FormerSlug, ContactMessage, BlockedSender, Report, ReviewRequest, ShortlistEntry):
        model._default_manager.filter(builder__user=user).delete()
    ShortlistEntry.objects.filter(user=user).delete()
    BlockedSender.objects.filter(sender=user).delete()
    ContactMessage.objects.filter(sender=user).update(subject="", body="")
    Report.objects.filter(reporter=user).update(text="")
    Report.objects.filter(message__sender=user).update(text="", note="")
    BuilderProfile.objects.filter(user=user).update(**erased_values(BuilderProfile, keep=_KEPT_BUILDER))
    ClientProfile.objects.filter(user=user).update(**erased_values(ClientProfile, keep=_KEPT))
