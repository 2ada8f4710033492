"""Profiles follow roles. Gaining a role creates or restores its profile, losing it archives the profile. No row is deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.roles.services import change_roles
from accounts.sync import outbox
from accounts.sync.changes import RoleChange
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from core.db.statements import insert_new, lock, update_all
from profiles import clerk_metadata, slug_history
from profiles.directory import indexing
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.slugs import slug_candidates

PROFILE_CREATED, PROFILE_UPDATED = AuditLog.Action.PROFILE_CREATED, AuditLog.Action.PROFILE_UPDATED
#: A user, and who made the change that the profiles of this user follow.
type Person = tuple[User, Actor]
#: ADMIN has no profile.
PROFILE_OF_ROLE: dict[str, type[Profile]] = {
    User.Role.BUILDER: BuilderProfile,
    User.Role.CLIENT: ClientProfile,
}

#: True for users whose profiles do not match their roles, or whose builder profile has no slug although they have a name.
#: SQL, because it is part of the statement that locks a user on the webhook path.
OUTDATED_PROFILES = """
('BUILDER' = ANY(accounts_user.roles)) <> EXISTS (
    SELECT FROM profiles_builderprofile profile
    WHERE profile.user_id = accounts_user.id AND profile.archived_at IS NULL
      AND (profile.slug IS NOT NULL OR (accounts_user.name = '' AND accounts_user.username = ''))
) OR ('CLIENT' = ANY(accounts_user.roles)) <> EXISTS (
    SELECT FROM profiles_clientprofile profile
    WHERE profile.user_id = accounts_user.id AND profile.archived_at IS NULL
)
"""
#: The first slug of the inserted row's `slugs` that no profile has or had.
FREE_SLUG = (
    (
        "slug",
        """(
    SELECT candidate.slug FROM json_array_elements_text(item -> 'slugs') WITH ORDINALITY AS candidate (slug, place)
    WHERE NOT EXISTS (SELECT FROM profiles_builderprofile taken WHERE taken.slug = candidate.slug)
      AND NOT EXISTS (SELECT FROM profiles_formerslug former WHERE former.slug = candidate.slug)
    ORDER BY place LIMIT 1
)""",
    ),
)
#: Attempts to insert a profile. A failed one means that the slug was taken, by another row of the statement or of a
#: concurrent transaction.
MAX_SLUG_RACES = 3
#: User fields that the directory indexes.
INDEXED_USER_FIELDS = frozenset({"name", "username", "image_url"})


def follow_roles(changes: Sequence[RoleChange]) -> None:
    """Create, restore and archive profiles after the roles of users changed.

    A profile that users request for themselves stays unpublished until they publish it.
    """
    for role, model in PROFILE_OF_ROLE.items():
        gained = [change for change in changes if role in change.added]
        for change in gained:
            if change.actor.user == change.user:
                request_profile(model, change.user, actor=change.actor)
        _create_or_restore(model, [(c.user, c.actor) for c in gained if c.actor.user != c.user])
        _archive(model, [(change.user, change.actor) for change in changes if role in change.removed])


def ensure_profiles(people: Sequence[Person]) -> None:
    """Create, restore and archive profiles until they match the roles of locked users, whatever the cause of the drift."""
    for role, model in PROFILE_OF_ROLE.items():
        _create_or_restore(model, [person for person in people if role in person[0].roles])
        _archive(model, [person for person in people if role not in person[0].roles])
    assign_slugs(people)


def gained_name(user: User, changes: Mapping[str, tuple[Any, Any]]) -> bool:
    """Return whether `user` had no name before `changes`."""
    return not any(changes.get(field, (getattr(user, field), None))[0] for field in ("name", "username"))


def assign_slugs(people: Sequence[Person]) -> None:
    """Give builder profiles without a slug one made of the user's name."""
    for profile, actor in _locked(BuilderProfile, people, "slug IS NULL"):
        candidates = slug_history.exclude_former(slug_candidates(profile.user))
        taken = set(BuilderProfile.objects.filter(slug__in=candidates).values_list("slug", flat=True))
        for slug in [slug for slug in candidates if slug not in taken][:1]:
            apply_changes(profile, actor=actor, slug=slug)


def refresh_index(users: Sequence[User]) -> None:
    """Reindex the profiles of builders whose name or image changed. An archived profile is indexed on restore."""
    builders = [(user, SYSTEM) for user in users if User.Role.BUILDER in user.roles]
    profiles = [profile for profile, _ in _locked(BuilderProfile, builders)]
    for profile in profiles:
        indexing.index(profile)
    update_all(profiles, indexing.COLUMNS)


@transaction.atomic
def request_profile(model: type[Profile], user: User, *, actor: Actor) -> None:
    """Create or restore, even from deletion, the profile that `user` asks for. Builder profiles start unpublished."""
    created = _insert(model, [(user, actor)])
    [(profile, _)] = _locked(model, [(user, actor)])
    set_reasons = [reason for reason in ("archived_at", "deleted_at") if getattr(profile, reason)]
    values: dict[str, Any] = dict.fromkeys(set_reasons)
    if isinstance(profile, BuilderProfile) and (created or set_reasons):
        # Equal to created_at means that it was never published: see visibility.is_draft.
        values["unpublished_at"] = profile.created_at if created else timezone.now()
    if values:
        apply_changes(profile, actor=actor, **values)


def _create_or_restore(model: type[Profile], people: Sequence[Person]) -> None:
    created = _insert(model, people)
    known = [person for person in people if person[0].pk not in created]
    _save(
        [(profile, actor, {"archived_at": None}) for profile, actor in _locked(model, known, "archived_at IS NOT NULL")]
    )


def _archive(model: type[Profile], people: Sequence[Person]) -> None:
    now = timezone.now()
    _save([(profile, actor, {"archived_at": now}) for profile, actor in _locked(model, people, "archived_at IS NULL")])


def _locked[P: Profile](model: type[P], people: Sequence[Person], condition: str = "TRUE") -> list[tuple[P, Actor]]:
    """Return the profiles of these people that meet an SQL condition, locked, each with the actor of its user."""
    person_of = {user.pk: (user, actor) for user, actor in people}
    profiles = lock(model, "user_id", list(person_of), condition=condition)
    for profile in profiles:
        profile.user = person_of[profile.user_id][0]
    return [(profile, person_of[profile.user_id][1]) for profile in profiles]


def _insert(model: type[Profile], people: Sequence[Person]) -> set[int]:
    """Insert profiles for users who have none, and return the IDs of these users."""
    actor_of, inserted = {user.pk: actor for user, actor in people}, set[int]()
    for _ in range(MAX_SLUG_RACES):
        waiting = [user for user, _ in people if user.pk not in inserted]
        for profile in _insert_new(model, waiting):
            log.record(PROFILE_CREATED, actor=actor_of[profile.user_id], target=profile, subject=profile.user)
            inserted.add(profile.user_id)
        if model is ClientProfile or len(inserted) == len(people) or not _without_profile(waiting):
            break
    return inserted


def _insert_new(model: type[Profile], users: Sequence[User]) -> list[Profile]:
    profiles = [model(user=user) for user in users]
    for profile in profiles:
        if isinstance(profile, BuilderProfile):
            indexing.index(profile)
    if model is BuilderProfile:
        items = [{"slugs": slug_candidates(user)} for user in users]
        return insert_new(profiles, key="user_id", expressions=FREE_SLUG, items=items)
    return insert_new(profiles, key="user_id")


def _without_profile(users: Sequence[User]) -> bool:
    """Return whether some of these users have no builder profile, because their slugs were taken."""
    return BuilderProfile.objects.filter(user__in=users).count() < len(users)


def lock_profile[P: Profile](profile: P) -> P:
    """Return a fresh copy of the profile, with its row locked until the transaction ends.

    Raises:
        DoesNotExist: the profile was deleted.
    """
    rows = type(profile)._default_manager.select_related("user").select_for_update(of=["self"], no_key=True)
    return rows.get(pk=profile.pk)


@transaction.atomic
def delete(profile: Profile, *, actor: Actor) -> None:
    """Soft-delete a profile and remove its role. The content is kept; only admins can see it.

    Raises:
        RoleChangeError: the user is not active at Clerk, so the role cannot be removed.
    """
    [role] = (role for role, model in PROFILE_OF_ROLE.items() if isinstance(profile, model))
    # Lock order: users before profiles.
    change_roles(profile.user, remove=[User.Role(role)], actor=actor)
    stored = lock_profile(profile)
    if stored.deleted_at is None:
        apply_changes(stored, actor=actor, deleted_at=timezone.now())


def apply_changes(profile: Profile, *, actor: Actor, **new: object) -> None:
    """Save fields of a locked profile, reindex it and record the change."""
    _save([(profile, actor, new)])


def _save(changed: Sequence[tuple[Profile, Actor, Mapping[str, object]]]) -> None:
    """Save the same fields of locked profiles of one model in one statement, reindex them and record the changes."""
    indexed: tuple[str, ...] = ()
    for profile, actor, new in changed:
        changes = {field: (getattr(profile, field), value) for field, value in new.items()}
        for field, value in new.items():
            setattr(profile, field, value)
        # Always reindex: it needs no extra statement, and no caller has to know which fields are indexed.
        indexed = indexing.index(profile) if isinstance(profile, BuilderProfile) else ()
        log.record(PROFILE_UPDATED, actor=actor, target=profile, subject=profile.user, changes=changes)
    update_all(
        [profile for profile, _, _ in changed], [*{name: None for _, _, new in changed for name in new}, *indexed]
    )
    for profile, _, new in changed:
        if not (clerk_metadata.PUSHED_FIELDS | clerk_metadata.PRESENCE_FIELDS).isdisjoint(new):
            outbox.queue_push(profile.user)
