"""The reasons why a profile is not public, for permissions, pages, the admin bar and admin lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from profiles.models import BuilderProfile, ClientProfile, Profile


@dataclass(frozen=True, slots=True)
class HidingReason:
    """A reason why the public cannot view a profile.

    Attributes:
        explanation: one sentence for admins.
        since: when the profile was hidden for this reason, or None if the time is unknown.
        detail: the reason that an admin entered, or "".
    """

    label: str | Promise
    explanation: str
    since: datetime | None = None
    detail: str = ""


def hiding_reasons(profile: Profile) -> list[HidingReason]:
    """Return all reasons why the public cannot view `profile`. A profile is public if there are no reasons."""
    return [*_account_reasons(profile), *_profile_reasons(profile)]


def _account_reasons(profile: Profile) -> Iterator[HidingReason]:
    user = profile.user
    for status in user.inactive_reasons:
        since = user.deleted_at if status == user.Inactive.DELETED else None
        yield HidingReason(status.label, status.explanation, since)


def _profile_reasons(profile: Profile) -> Iterator[HidingReason]:
    if profile.deleted_at:
        yield HidingReason(_("Deleted"), _("The owner or an admin deleted the profile."), profile.deleted_at)
    if profile.hidden_at:
        explanation = _("Our team has hidden the page.")
        yield HidingReason(_("Hidden"), explanation, profile.hidden_at, profile.hidden_reason)
    if profile.archived_at:
        yield HidingReason(_("Archived"), _("The owner no longer has the role."), profile.archived_at)
    if profile.unpublished_at:
        yield HidingReason(_("Unpublished"), _("The owner has not published the page."), profile.unpublished_at)
    if isinstance(profile, BuilderProfile) and not profile.slug:
        yield HidingReason(_("No URL"), _("The page gets its URL when the account has a name."))
    if isinstance(profile, ClientProfile):
        yield HidingReason(_("Private"), _("Client profiles are visible only to their owner and admins."))
