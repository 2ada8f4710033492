"""Sync profiles with roles: create or restore when a role is added, archive when removed. Rows are never deleted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.roles.services import change_roles
from accounts.sync import outbox
from accounts.sync.changes import RoleChange, UserSync
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.joined_writes import update_all
from core.db.statements import hot_cursor, insert_new, lock
from profiles import clerk_metadata, user_profiles
from profiles.directory import indexing
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.slugs.text import slug_candidates

PROFILE_CREATED, PROFILE_UPDATED = AuditLog.Action.PROFILE_CREATED, AuditLog.Action.PROFILE_UPDATED
#: A user, and the actor to record for changes to the user's profiles.
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
TAKEN_SLUGS = """
SELECT slug FROM profiles_builderprofile WHERE slug = ANY(%(slugs)s)
UNION ALL SELECT slug FROM profiles_formerslug WHERE slug = ANY(%(slugs)s)
"""
#: Maximum attempts to insert a profile. An attempt fails if its slug is taken by another row in the statement or by a
#: concurrent transaction.
MAX_SLUG_RACES = 3
#: User fields that the directory indexes.
INDEXED_USER_FIELDS = frozenset({"name", "username", "image_url"})


@dataclass(frozen=True, slots=True)
class _Target:
    """A user's roles that must have a profile, and roles that must not have one."""

    user: User
    actor: Actor
    wanted: Collection[str]
    unwanted: Collection[str]


def follow_roles(changes: Sequence[RoleChange]) -> None:
    """Create, restore and archive profiles after the roles of users changed.

    A profile that users request for themselves stays unpublished until they publish it.
    """
    targets = []
    for change in changes:
        is_request = change.actor.user == change.user
        for role in PROFILE_OF_ROLE if is_request else ():
            if role in change.added:
                request_profile(PROFILE_OF_ROLE[role], change.user, actor=change.actor)
        targets.append(_Target(change.user, change.actor, () if is_request else change.added, change.removed))
    _apply_targets(targets)


def ensure_profiles(people: Sequence[Person]) -> None:
    """Create, restore and archive profiles so that they match the roles of locked users."""
    roles = set(PROFILE_OF_ROLE)
    _apply_targets([_Target(user, actor, user.roles, roles - set(user.roles)) for user, actor in people])
    follow_names(people, condition="slug IS NULL")


def follow_syncs(syncs: Sequence[UserSync]) -> None:
    """Update the builder profiles of known users whose name or image changed.

    Profiles that the same payload creates or restores are already indexed.
    """
    builder = User.Role.BUILDER
    follow_names(
        [
            (sync.user, sync.actor)
            for sync in syncs
            if not sync.created
            and not INDEXED_USER_FIELDS.isdisjoint(sync.changes)
            and (_gained_name(sync) or (builder in sync.user.roles and builder in sync.roles_before))
        ]
    )


def _gained_name(sync: UserSync) -> bool:
    """Return whether the user had no name before. An archived profile may then also lack a slug."""
    return not any(sync.changes.get(name, (getattr(sync.user, name), None))[0] for name in ("name", "username"))


def follow_names(people: Sequence[Person], *, condition: str = "TRUE") -> None:
    """Reindex builder profiles that meet an SQL condition. Assign missing slugs based on the user's name."""
    locked = _locked(BuilderProfile, people, condition)
    named = [profile for profile, _ in locked if profile.slug]
    _assign_slugs([(profile, actor) for profile, actor in locked if not profile.slug])
    for profile in named:
        indexing.index(profile)
    update_all(named, indexing.COLUMNS)


def _assign_slugs(profiles: Sequence[tuple[BuilderProfile, Actor]]) -> None:
    candidates = {profile: slug_candidates(profile.user) for profile, _ in profiles}
    slugs = [slug for found in candidates.values() for slug in found]
    taken = _taken_slugs(slugs) if slugs else set[str]()
    changed = []
    for profile, actor in profiles:
        for slug in [slug for slug in candidates[profile] if slug not in taken][:1]:
            taken.add(slug)
            changed.append((profile, actor, {"slug": slug}))
    _save(changed)


def _taken_slugs(slugs: list[str]) -> set[str]:
    with hot_cursor() as cursor:
        cursor.execute(TAKEN_SLUGS, {"slugs": slugs})
        return {slug for (slug,) in cursor.fetchall()}


@transaction.atomic
def request_profile(model: type[Profile], user: User, *, actor: Actor) -> None:
    """Create the requested profile, or restore an archived or deleted one. Builder profiles start unpublished."""
    for _ in range(MAX_SLUG_RACES):
        created = bool(_insert(model, [(user, actor)]))
        if found := _locked(model, [(user, actor)]):
            break
    [(profile, _)] = found
    set_reasons = [reason for reason in ("archived_at", "deleted_at") if getattr(profile, reason)]
    values: dict[str, Any] = dict.fromkeys(set_reasons)
    if isinstance(profile, BuilderProfile) and (created or set_reasons):
        # Equal to created_at means that it was never published: see visibility.is_draft.
        values["unpublished_at"] = profile.created_at if created else timezone.now()
    if values:
        apply_changes(profile, actor=actor, **values)


def _apply_targets(targets: Sequence[_Target]) -> None:
    """Insert missing profiles, and restore or archive existing ones. Usually, all wanted profiles are missing."""
    for role, model in PROFILE_OF_ROLE.items():
        _insert(model, [(target.user, target.actor) for target in targets if role in target.wanted])
    rest = [target for target in targets if target.unwanted or _missing(target)]
    user_profiles.lock([target.user for target in rest])
    for _ in range(MAX_SLUG_RACES):  # only builder profiles have slugs
        _insert(BuilderProfile, [(t.user, t.actor) for t in rest if BuilderProfile in _missing(t)])
    for role, model in PROFILE_OF_ROLE.items():
        known = [(target, profile) for target in rest if (profile := user_profiles.get(target.user, model))]
        _save([(p, t.actor, {"archived_at": None}) for t, p in known if role in t.wanted and p.archived_at])
        now = timezone.now()
        _save([(p, t.actor, {"archived_at": now}) for t, p in known if role in t.unwanted and not p.archived_at])


def _missing(target: _Target) -> list[type[Profile]]:
    """Return the models of wanted profiles that have not been found."""
    wanted = [model for role, model in PROFILE_OF_ROLE.items() if role in target.wanted]
    return [model for model in wanted if user_profiles.get(target.user, model) is None]


def _locked[P: Profile](model: type[P], people: Sequence[Person], condition: str = "TRUE") -> list[tuple[P, Actor]]:
    """Lock profiles that meet an SQL condition, and return each profile with its actor."""
    person_of = {user.pk: (user, actor) for user, actor in people}
    profiles = lock(model, "user_id", list(person_of), condition=condition)
    for profile in profiles:
        profile.user = person_of[profile.user_id][0]
    return [(profile, person_of[profile.user_id][1]) for profile in profiles]


def _insert(model: type[Profile], people: Sequence[Person]) -> set[int]:
    """Insert profiles for users without one, and return the IDs of these users.

    A builder profile is not inserted if its slug is taken by another row in the statement or by a concurrent
    transaction.
    """
    profiles = [model(user=user) for user, _ in people]
    for profile in profiles:
        if isinstance(profile, BuilderProfile):
            indexing.index(profile)
    if model is BuilderProfile:
        items = [{"slugs": slug_candidates(user)} for user, _ in people]
        inserted = insert_new(profiles, key="user_id", expressions=FREE_SLUG, items=items)
    else:
        inserted = insert_new(profiles, key="user_id")
    created = {profile.user_id: profile for profile in inserted}
    for user, actor in people:
        if new := created.get(user.pk):
            user_profiles.remember(user, model, new)
            log.record(PROFILE_CREATED, actor=actor, target=new, subject=user)
        else:
            user_profiles.forget(user, model)
    return set(created)


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
        RoleChangeError: the user is not active in Clerk, so the role cannot be removed.
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
