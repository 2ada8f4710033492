"""Data about a signed-in client for the directory."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from accounts.models import User
from profiles.models import ClientProfile, ShortlistEntry


@dataclass(frozen=True, slots=True)
class ClientState:
    """A client's industry and project preferences, and the IDs of saved builders."""

    industry: str
    preferences: str
    saved: frozenset[int]


def client_state(user: User | AnonymousUser) -> ClientState | None:
    """Return the state of a client using one query, or None for users who are not clients."""
    if not isinstance(user, User) or not user.has_role(User.Role.CLIENT):
        return None
    entries = ShortlistEntry.objects.filter(user=OuterRef("user")).order_by()
    profiles = ClientProfile.objects.filter(user=user, archived_at=None, deleted_at=None)
    row = profiles.values_list("industry", "project_preferences", ArraySubquery(entries.values("builder_id"))).first()
    return ClientState(row[0], row[1], frozenset(row[2])) if row else None
