"""Lock both profiles of users with one statement, and cache them on the user instance for the transaction."""

from collections.abc import Sequence

from accounts.models import User
from core.db.statements import select_related_rows
from profiles.models import BuilderProfile, ClientProfile, Profile

MODELS: tuple[type[Profile], ...] = (BuilderProfile, ClientProfile)
_ATTRIBUTE = "_profiles_in_transaction"


def lock(users: Sequence[User]) -> None:
    """Lock and cache the profiles of locked users."""
    found = select_related_rows(MODELS, "user_id", [user.pk for user in users], is_locked=True)
    for user in users:
        for model, profile in zip(MODELS, found[user.pk], strict=True):
            remember(user, model, profile)


def remember(user: User, model: type[Profile], profile: Profile | None) -> None:
    """Cache a profile, or None if the user does not have one."""
    if profile:
        profile.user = user
    user.__dict__.setdefault(_ATTRIBUTE, {})[model] = profile


def forget(user: User, model: type[Profile]) -> None:
    user.__dict__.get(_ATTRIBUTE, {}).pop(model, None)


def get[P: Profile](user: User, model: type[P]) -> P | None:
    """Return the cached profile, or None if there is no profile or it is not cached."""
    profile: P | None = user.__dict__.get(_ATTRIBUTE, {}).get(model)
    return profile


def are_known(user: User) -> bool:
    return set(MODELS) <= set(user.__dict__.get(_ATTRIBUTE, {}))
